// What is rolled back is not captured; what is committed is, whole.
#include <gtest/gtest.h>

#include "tests/unit/memory_node.h"
#include "tests/unit/random_sql.h"

namespace colony {
namespace {

using unit::MemoryNode;

class CaptureTransactions : public testing::Test {
 protected:
  CaptureTransactions() { node_.run("INSERT INTO t VALUES(1, 'a', NULL), (2, 'b', NULL)"); }

  std::string captured(const std::string& sql) { return node_.captured(sql); }

  MemoryNode node_{"CREATE TABLE t(k INTEGER PRIMARY KEY, u UNIQUE, v CHECK(v IS NULL OR v < 100))"};
};

TEST_F(CaptureTransactions, each_statement_outside_a_transaction_is_one) {
  EXPECT_EQ(captured("INSERT INTO t VALUES(3, 'c', 1); INSERT INTO t VALUES(4, 'd', 2)"),
            "t + 3 'c' 1\n--\nt + 4 'd' 2\n");
}

TEST_F(CaptureTransactions, statements_of_a_transaction_are_one) {
  EXPECT_EQ(captured("BEGIN; INSERT INTO t VALUES(3, 'c', 1); INSERT INTO t VALUES(4, 'd', 2); COMMIT"),
            "t + 3 'c' 1\nt + 4 'd' 2\n");
}

TEST_F(CaptureTransactions, reads_and_writes_of_nothing_leave_no_transaction) {
  EXPECT_EQ(captured("SELECT * FROM t; BEGIN; SELECT * FROM t; COMMIT; DELETE FROM t WHERE k = 99;"
                     "BEGIN IMMEDIATE; UPDATE t SET v = v; COMMIT"),
            "");
}

TEST_F(CaptureTransactions, rollback_captures_nothing) {
  EXPECT_EQ(captured("BEGIN; INSERT INTO t VALUES(3, 'c', 1); DELETE FROM t WHERE k = 1; ROLLBACK"), "");
  EXPECT_EQ(captured("INSERT INTO t VALUES(4, 'd', 1)"), "t + 4 'd' 1\n");
}

TEST_F(CaptureTransactions, rollback_to_takes_back_what_came_after_the_savepoint) {
  EXPECT_EQ(captured("BEGIN; INSERT INTO t VALUES(3, 'c', 1); SAVEPOINT s; INSERT INTO t VALUES(4, 'd', 1);"
                     "ROLLBACK TO s; INSERT INTO t VALUES(5, 'e', 1); COMMIT"),
            "t + 3 'c' 1\nt + 5 'e' 1\n");
}

TEST_F(CaptureTransactions, rollback_to_twice_leaves_the_savepoint_where_it_was) {
  EXPECT_EQ(captured("BEGIN; SAVEPOINT s; INSERT INTO t VALUES(3, 'c', 1); ROLLBACK TO s;"
                     "INSERT INTO t VALUES(4, 'd', 1); ROLLBACK TO s; INSERT INTO t VALUES(5, 'e', 1); COMMIT"),
            "t + 5 'e' 1\n");
}

TEST_F(CaptureTransactions, release_keeps_what_came_after_the_savepoint) {
  EXPECT_EQ(captured("SAVEPOINT a; INSERT INTO t VALUES(3, 'c', 1); SAVEPOINT b; INSERT INTO t VALUES(4, 'd', 1);"
                     "RELEASE b; RELEASE a"),
            "t + 3 'c' 1\nt + 4 'd' 1\n");
}

TEST_F(CaptureTransactions, nested_savepoints_are_taken_back_one_in_another) {
  EXPECT_EQ(
      captured("BEGIN; INSERT INTO t VALUES(3, 'c', 1); SAVEPOINT a; INSERT INTO t VALUES(4, 'd', 1); SAVEPOINT b;"
               "INSERT INTO t VALUES(5, 'e', 1); SAVEPOINT c; INSERT INTO t VALUES(6, 'f', 1); RELEASE c;"
               "ROLLBACK TO b; INSERT INTO t VALUES(7, 'g', 1); ROLLBACK TO a; INSERT INTO t VALUES(8, 'h', 1);"
               "COMMIT"),
      "t + 3 'c' 1\nt + 8 'h' 1\n");
}

TEST_F(CaptureTransactions, savepoint_from_before_the_first_write_is_known) {
  EXPECT_EQ(captured("BEGIN; SAVEPOINT a; SAVEPOINT b; SAVEPOINT c; INSERT INTO t VALUES(3, 'c', 1); ROLLBACK TO b;"
                     "INSERT INTO t VALUES(4, 'd', 1); RELEASE a; COMMIT"),
            "t + 4 'd' 1\n");
  EXPECT_EQ(captured("SAVEPOINT a; SAVEPOINT b; INSERT INTO t VALUES(5, 'c', 1); RELEASE b; ROLLBACK TO a; RELEASE a"),
            "");
}

TEST_F(CaptureTransactions, savepoints_of_one_name) {
  EXPECT_EQ(captured("SAVEPOINT s; INSERT INTO t VALUES(3, 'c', 1); SAVEPOINT s; INSERT INTO t VALUES(4, 'd', 1);"
                     "ROLLBACK TO s; RELEASE s; INSERT INTO t VALUES(5, 'e', 1); RELEASE s"),
            "t + 3 'c' 1\nt + 5 'e' 1\n");
}

TEST_F(CaptureTransactions, statement_that_fails_half_way_is_taken_back) {
  node_.run("BEGIN; INSERT INTO t VALUES(3, 'c', 1)");
  EXPECT_NE(unit::error_of(node_.db(), "INSERT INTO t VALUES(4, 'd', 1), (5, 'a', 1)"), "");
  EXPECT_EQ(captured("COMMIT"), "t + 3 'c' 1\n");
}

TEST_F(CaptureTransactions, statement_that_fails_alone_is_no_transaction) {
  const std::size_t before = node_.outbox().size();
  EXPECT_NE(unit::error_of(node_.db(), "INSERT INTO t VALUES(4, 'd', 1), (5, 'a', 1)"), "");
  EXPECT_NE(unit::error_of(node_.db(), "UPDATE t SET v = CASE k WHEN 1 THEN 1 ELSE 200 END"), "");
  EXPECT_EQ(node_.outbox().size(), before);
  EXPECT_EQ(captured("UPDATE t SET v = 3 WHERE k = 1"), "t ~ 1 . NULL>3\n");
}

TEST_F(CaptureTransactions, or_ignore_keeps_the_rows_that_fit) {
  EXPECT_EQ(captured("INSERT OR IGNORE INTO t VALUES(3, 'c', 1), (4, 'a', 1), (5, 'e', 500), (6, 'f', 1)"),
            "t + 3 'c' 1\nt + 6 'f' 1\n");
}

TEST_F(CaptureTransactions, or_fail_keeps_what_came_before) {
  const std::size_t before = node_.outbox().size();
  EXPECT_NE(unit::error_of(node_.db(), "INSERT OR FAIL INTO t VALUES(3, 'c', 1), (4, 'a', 1), (5, 'e', 1)"), "");
  ASSERT_EQ(node_.outbox().size(), before + 1);
  EXPECT_EQ(unit::shown_changes(node_.outbox().back()), "t + 3 'c' 1\n");
}

TEST_F(CaptureTransactions, or_abort_keeps_the_transaction_without_the_statement) {
  node_.run("BEGIN; INSERT INTO t VALUES(3, 'c', 1)");
  EXPECT_NE(unit::error_of(node_.db(), "INSERT OR ABORT INTO t VALUES(4, 'd', 1), (5, 'a', 1)"), "");
  EXPECT_EQ(captured("INSERT INTO t VALUES(6, 'f', 1); COMMIT"), "t + 3 'c' 1\nt + 6 'f' 1\n");
}

TEST_F(CaptureTransactions, or_rollback_ends_the_transaction) {
  node_.run("BEGIN; INSERT INTO t VALUES(3, 'c', 1)");
  EXPECT_NE(unit::error_of(node_.db(), "INSERT OR ROLLBACK INTO t VALUES(4, 'd', 1), (5, 'a', 1)"), "");
  EXPECT_FALSE(node_.db().in_transaction());
  EXPECT_EQ(captured("INSERT INTO t VALUES(6, 'f', 1)"), "t + 6 'f' 1\n");
}

TEST_F(CaptureTransactions, or_replace_shows_what_it_displaced) {
  EXPECT_EQ(captured("INSERT OR REPLACE INTO t VALUES(2, 'a', 1)"), "t - 1 'a' NULL\nt ~ 2 'b'>'a' NULL>1\n");
}

TEST_F(CaptureTransactions, upsert_is_the_update_that_it_became) {
  EXPECT_EQ(captured("INSERT INTO t VALUES(1, 'z', 1), (3, 'c', 1) ON CONFLICT(k) DO UPDATE SET v = excluded.v + 1"),
            "t ~ 1 . NULL>2\nt + 3 'c' 1\n");
  EXPECT_EQ(captured("INSERT INTO t VALUES(9, 'c', 1) ON CONFLICT DO NOTHING"), "");
}

TEST_F(CaptureTransactions, returning_is_captured_and_answers) {
  EXPECT_EQ(node_.db().query_integer("UPDATE t SET v = 41 WHERE k = 1 RETURNING v + 1"), 42);
  EXPECT_EQ(unit::shown_changes(node_.outbox().back()), "t ~ 1 . NULL>41\n");
}

TEST_F(CaptureTransactions, delete_of_all_rows_is_captured_row_by_row) {
  EXPECT_EQ(captured("DELETE FROM t"), "t - 1 'a' NULL\nt - 2 'b' NULL\n");
}

TEST_F(CaptureTransactions, commit_that_a_deferred_foreign_key_refuses_can_be_mended_and_repeated) {
  MemoryNode node(
      "PRAGMA foreign_keys = ON; CREATE TABLE p(k INTEGER PRIMARY KEY);"
      "CREATE TABLE c(k INTEGER PRIMARY KEY, p REFERENCES p DEFERRABLE INITIALLY DEFERRED)");
  node.run("BEGIN; INSERT INTO c VALUES(1, 7)");
  EXPECT_NE(unit::error_of(node.db(), "COMMIT"), "");
  EXPECT_EQ(node.captured("INSERT INTO p VALUES(7); COMMIT"), "c + 1 7\np + 7\n");
}

TEST_F(CaptureTransactions, what_triggers_and_cascades_change_is_captured) {
  MemoryNode node(
      "PRAGMA foreign_keys = ON; CREATE TABLE p(k INTEGER PRIMARY KEY);"
      "CREATE TABLE c(k INTEGER PRIMARY KEY, p REFERENCES p ON DELETE CASCADE);"
      "CREATE TABLE log(k INTEGER PRIMARY KEY, what);"
      "CREATE TRIGGER audit AFTER DELETE ON c BEGIN INSERT INTO log(what) VALUES(old.k); END");
  node.run("INSERT INTO p VALUES(1); INSERT INTO c VALUES(10, 1), (11, 1)");
  EXPECT_EQ(node.captured("DELETE FROM p"), "p - 1\nc - 10 1\nc - 11 1\nlog + 1 10\nlog + 2 11\n");
}

// SQLite then connects the capture's table anew, in the middle of a transaction.
TEST_F(CaptureTransactions, schema_change_that_is_rolled_back_leaves_the_marks_in_place) {
  EXPECT_EQ(captured("BEGIN; INSERT INTO t VALUES(3, 'c', 1); SAVEPOINT s; INSERT INTO t VALUES(4, 'd', 1);"
                     "CREATE TABLE x(a); ROLLBACK TO s; INSERT INTO t VALUES(5, 'e', 1); ROLLBACK TO s;"
                     "INSERT INTO t VALUES(6, 'f', 1); COMMIT"),
            "t + 3 'c' 1\nt + 6 'f' 1\n");
}

// The same rows come of applying what was captured as of what the app did.
TEST(CaptureProperty, captured_changes_lead_to_the_rows_of_the_app) {
  for (const std::string& schema : unit::random_schemas()) {
    for (std::uint32_t seed = 0; seed < unit::seeds(40); ++seed) {
      unit::RandomSql random(seed);
      MemoryNode node(schema);
      for (const std::string& sql : random.statements(6)) unit::error_of(node.db(), sql);
      std::string script = schema + "\n";
      const std::size_t known = node.outbox().size();
      std::vector<std::string> statements = {"BEGIN"};
      for (int i = 0; i < 16; ++i) {
        const char* const others[] = {"SAVEPOINT a", "SAVEPOINT b", "ROLLBACK TO a",     "ROLLBACK TO b",
                                      "RELEASE a",   "RELEASE b",   "CREATE TABLE x(a)", "DROP TABLE x"};
        statements.push_back(random.below(3) == 0 ? others[random.below(8)] : random.statement());
      }
      statements.emplace_back("COMMIT");
      unit::MemoryFold replica(schema, "");
      for (const std::string& changeset : node.outbox()) EXPECT_EQ(replica.apply(changeset), "");
      for (const std::string& sql : statements) {
        const std::string error = unit::error_of(node.db(), sql);
        script += sql + (error.empty() ? "" : "  -- " + error) + ";\n";
      }
      const std::vector<std::string> outbox = node.outbox();
      for (std::size_t i = known; i < outbox.size(); ++i) EXPECT_EQ(replica.apply(outbox[i]), "") << script;
      ASSERT_EQ(replica.rows("t"), node.rows("t")) << script;
    }
  }
}

}  // namespace
}  // namespace colony
