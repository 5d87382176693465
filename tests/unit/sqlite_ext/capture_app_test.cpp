// The app must not notice that it is captured; and when it cannot be, it must.
#include <gtest/gtest.h>

#include "replicator/store/file_layout.h"
#include "sqlite_ext/capture.h"
#include "tests/unit/memory_node.h"

namespace colony {
namespace {

using unit::MemoryNode;

struct Counters {
  sqlite3_int64 rowid;
  int changes, total;
  bool operator==(const Counters&) const = default;
};

Counters counters(Database& db) {
  return {sqlite3_last_insert_rowid(db.handle()), sqlite3_changes(db.handle()), sqlite3_total_changes(db.handle())};
}

std::string shown(const Counters& c) {
  return "last_insert_rowid " + std::to_string(c.rowid) + ", changes " + std::to_string(c.changes) +
         ", total_changes " + std::to_string(c.total);
}

constexpr const char* kSchema = "CREATE TABLE t(k INTEGER PRIMARY KEY, a)";

TEST(CaptureApp, counters_of_this_sqlite_are_found) {
  ASSERT_NE(SqliteHost::get(), nullptr);
  EXPECT_TRUE(SqliteHost::get()->change_counters_offset.has_value());
  EXPECT_FALSE(SqliteHost::being_examined());
}

TEST(CaptureApp, counters_are_those_of_an_uncaptured_connection) {
  MemoryNode node(kSchema);
  const std::string path = unit::new_memory_path();
  Database plain(path, Database::Mode::kReadWrite);
  plain.execute(kSchema);
  const int base = sqlite3_total_changes(node.db().handle()) - sqlite3_total_changes(plain.handle());
  for (const std::string sql :
       {"INSERT INTO t VALUES(5, 'a'), (6, 'b'), (7, 'c')", "UPDATE t SET a = 'z' WHERE k < 7",
        "DELETE FROM t WHERE k = 5", "INSERT INTO t(a) VALUES('next')", "BEGIN", "INSERT INTO t VALUES(100, 'x')",
        "UPDATE t SET a = k", "COMMIT", "SAVEPOINT s", "INSERT INTO t VALUES(200, 'x')", "ROLLBACK TO s", "RELEASE s",
        "REPLACE INTO t VALUES(100, 'y')", "UPDATE t SET a = a", "DELETE FROM t", "DELETE FROM t"}) {
    node.run(sql);
    plain.execute(sql);
    Counters expected = counters(plain), got = counters(node.db());
    got.total -= base;
    EXPECT_EQ(shown(got), shown(expected)) << sql;
  }
}

TEST(CaptureApp, counters_survive_a_transaction_of_many_chunks) {
  MemoryNode node(kSchema);
  node.run("BEGIN; INSERT INTO t VALUES(7, zeroblob(300000))");
  const Counters before = counters(node.db());
  node.run("COMMIT");
  EXPECT_EQ(shown(counters(node.db())), shown(before));
}

TEST(CaptureApp, connection_closes_with_nothing_left) {
  const std::string path = unit::new_memory_path();
  MemoryNode keeps(kSchema);
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open_v2(keeps.path().c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, nullptr), SQLITE_OK);
  ASSERT_EQ(install_capture(db, *SqliteHost::get()), SQLITE_OK);
  const auto run = [&](const char* sql) { return sqlite3_exec(db, sql, nullptr, nullptr, nullptr); };
  // With the statements that capture keeps: for the outbox, and for added columns.
  EXPECT_EQ(run("INSERT INTO t VALUES(1, 'a'); ALTER TABLE t ADD COLUMN d DEFAULT 1; UPDATE t SET a = 'b'"), SQLITE_OK);
  EXPECT_EQ(sqlite3_close(db), SQLITE_OK);
  EXPECT_EQ(keeps.outbox().size(), 3u);
}

TEST(CaptureApp, connection_closes_in_the_middle_of_a_transaction) {
  MemoryNode keeps(kSchema);
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open_v2(keeps.path().c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, nullptr), SQLITE_OK);
  ASSERT_EQ(install_capture(db, *SqliteHost::get()), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, "BEGIN; INSERT INTO t VALUES(1, 'a')", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_EQ(sqlite3_close(db), SQLITE_OK);
  EXPECT_EQ(keeps.rows("t"), "");
  EXPECT_EQ(keeps.outbox().size(), 0u);
}

// A file that is not in WAL mode, and that somebody reads, makes COMMIT wait.
class CaptureBusy : public testing::Test {
 protected:
  CaptureBusy() {
    sqlite3_busy_timeout(node_.db().handle(), 0);
    node_.run("ATTACH '" + other_ + "' AS other; CREATE TABLE other.x(a); INSERT INTO other.x VALUES(1)");
    reader_.execute("BEGIN");
    EXPECT_EQ(unit::rows(reader_, "x"), "1\n");
  }
  std::string commit() { return unit::error_of(node_.db(), "COMMIT"); }

  std::string other_ = unit::new_memory_path();
  Database holder_{other_, Database::Mode::kReadWrite};  // the file lives as long
  MemoryNode node_{kSchema};
  Database reader_{other_, Database::Mode::kReadWrite};
};

TEST_F(CaptureBusy, commit_that_is_repeated_leaves_one_transaction) {
  node_.run("BEGIN; INSERT INTO t VALUES(1, 'a'); INSERT INTO other.x VALUES(2)");
  EXPECT_EQ(commit(), "database is locked");
  EXPECT_EQ(commit(), "database is locked");
  node_.run("UPDATE t SET a = 'b'; INSERT INTO t VALUES(2, 'c')");
  EXPECT_EQ(commit(), "database is locked");
  reader_.execute("COMMIT");
  EXPECT_EQ(commit(), "");
  ASSERT_EQ(node_.outbox().size(), 1u);
  EXPECT_EQ(unit::shown_changes(node_.outbox()[0]), "t + 1 'b'\nt + 2 'c'\n");
}

TEST_F(CaptureBusy, what_is_rolled_back_after_a_failed_commit_is_not_captured) {
  node_.run("BEGIN; INSERT INTO t VALUES(1, 'a'); SAVEPOINT s; INSERT INTO t VALUES(2, 'b')");
  node_.run("INSERT INTO other.x VALUES(2)");
  EXPECT_EQ(commit(), "database is locked");
  node_.run("ROLLBACK TO s; INSERT INTO other.x VALUES(3)");
  EXPECT_EQ(commit(), "database is locked");
  reader_.execute("COMMIT");
  EXPECT_EQ(commit(), "");
  ASSERT_EQ(node_.outbox().size(), 1u);
  EXPECT_EQ(unit::shown_changes(node_.outbox()[0]), "t + 1 'a'\n");
}

TEST(CaptureApp, large_transaction_is_cut_into_chunks_of_one_changeset) {
  MemoryNode node(kSchema);
  node.run("INSERT INTO t VALUES(1, 'small')");
  node.run(
      "BEGIN; WITH n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) "
      "INSERT INTO t SELECT i, printf('%.*c', 100 + i % 50, 'x') FROM n; COMMIT");
  node.run("INSERT INTO t VALUES(5000, 'small')");
  Statement chunks(node.db(), "SELECT piece, last, length(changeset), shape FROM __colony_outbox ORDER BY piece");
  std::int64_t count = 0, shape = 0;
  while (chunks.step()) {
    EXPECT_EQ(chunks.integer(0), ++count);
    EXPECT_LE(chunks.integer(2), kOutboxChunkBytesMax);
    EXPECT_TRUE(chunks.integer(1) != 0 || chunks.integer(2) == kOutboxChunkBytesMax);
    if (shape == 0) shape = chunks.integer(3);
    EXPECT_EQ(chunks.integer(3), shape);
  }
  EXPECT_GT(count, 5);
  const std::vector<std::string> transactions = node.outbox();
  ASSERT_EQ(transactions.size(), 3u);
  unit::MemoryFold replica(kSchema, "");
  for (const std::string& changeset : transactions) EXPECT_EQ(replica.apply(changeset), "");
  EXPECT_EQ(replica.rows("t"), node.rows("t"));
  EXPECT_EQ(node.db().query_integer("SELECT colony_pending()"), 3);
}

TEST(CaptureApp, changeset_that_just_fits_is_one_chunk) {
  MemoryNode node(kSchema);
  const auto changeset_of_blob = [&](std::size_t size) {
    node.run("DELETE FROM __colony_outbox");
    return node.changeset_of("REPLACE INTO t VALUES(1, zeroblob(" + std::to_string(size) + "))").size();
  };
  node.run("DELETE FROM t");
  const std::size_t around = changeset_of_blob(20'000) - 20'000;
  for (const std::size_t size : {kOutboxChunkBytesMax - 1, kOutboxChunkBytesMax, kOutboxChunkBytesMax + 1}) {
    node.run("DELETE FROM t");
    ASSERT_EQ(changeset_of_blob(size - around), size);
    EXPECT_EQ(node.db().query_integer("SELECT count(*) FROM __colony_outbox"), size > kOutboxChunkBytesMax ? 2 : 1);
  }
}

TEST(CaptureApp, numbers_go_on_after_the_outbox_was_emptied) {
  MemoryNode node(kSchema);
  node.run("INSERT INTO t VALUES(1, 'a'); INSERT INTO t VALUES(2, 'b')");
  EXPECT_EQ(node.db().query_integer("SELECT max(piece) FROM __colony_outbox"), 2);
  node.run("DELETE FROM __colony_outbox; UPDATE __colony_meta SET value = 2 WHERE key = 'absorbed'");
  node.run("INSERT INTO t VALUES(3, 'c'); INSERT INTO t VALUES(4, 'd')");
  EXPECT_EQ(node.db().query_integer("SELECT min(piece) FROM __colony_outbox"), 3);
  EXPECT_EQ(node.db().query_integer("SELECT max(piece) FROM __colony_outbox"), 4);
}

TEST(CaptureApp, two_connections_number_in_the_order_of_their_commits) {
  MemoryNode node(kSchema);
  Database other = unit::open_captured(node.path());
  node.run("INSERT INTO t VALUES(1, 'a')");
  other.execute("INSERT INTO t VALUES(2, 'b')");
  node.run("INSERT INTO t VALUES(3, 'c')");
  std::string all;
  for (const std::string& changeset : node.outbox()) all += unit::shown_changes(changeset);
  EXPECT_EQ(all, "t + 1 'a'\nt + 2 'b'\nt + 3 'c'\n");
}

TEST(CaptureApp, attached_file_has_its_own_outbox) {
  MemoryNode one(kSchema), two("CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)");
  one.run("ATTACH '" + two.path() + "' AS other");
  one.run("INSERT INTO other.t VALUES(1, 'x', 'y'); INSERT INTO main.t VALUES(1, 'z')");
  one.run("BEGIN; UPDATE main.t SET a = 'm'; UPDATE other.t SET b = 'o'; COMMIT");
  ASSERT_EQ(one.outbox().size(), 2u);
  ASSERT_EQ(two.outbox().size(), 2u);
  EXPECT_EQ(unit::shown_changes(one.outbox()[1]), "t ~ 1 'z'>'m'\n");
  EXPECT_EQ(unit::shown_changes(two.outbox()[0]), "t + 1 'x' 'y'\n");
  EXPECT_EQ(unit::shown_changes(two.outbox()[1]), "t ~ 1 . 'y'>'o'\n");
}

TEST(CaptureApp, another_file_under_the_name_of_a_detached_one) {
  MemoryNode one(kSchema), two(kSchema), three("CREATE TABLE t(b, k TEXT PRIMARY KEY NOT NULL)");
  one.run("ATTACH '" + two.path() + "' AS other; INSERT INTO other.t VALUES(1, 'x'); DETACH other");
  one.run("ATTACH '" + three.path() + "' AS other; INSERT INTO other.t VALUES('y', 'k'); DETACH other");
  EXPECT_EQ(unit::shown_changes(two.outbox()[0]), "t + 1 'x'\n");
  ASSERT_EQ(three.outbox().size(), 1u);
  EXPECT_EQ(unit::shown_changes(three.outbox()[0]), "t + 'y' 'k'\n");
}

TEST(CaptureApp, temp_table_of_the_same_name_is_not_captured) {
  MemoryNode node(kSchema);
  node.run("INSERT INTO main.t VALUES(1, 'a')");
  EXPECT_EQ(node.captured("CREATE TEMP TABLE t(k INTEGER PRIMARY KEY, a); INSERT INTO t VALUES(9, 'temp');"
                          "BEGIN; UPDATE main.t SET a = 'b'; UPDATE temp.t SET a = 'c'; COMMIT"),
            "t ~ 1 'a'>'b'\n");
}

TEST(CaptureApp, works_with_untrusted_schema_and_defensive_mode) {
  MemoryNode node(kSchema);
  sqlite3_db_config(node.db().handle(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(node.db().handle(), SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  EXPECT_EQ(node.captured("INSERT INTO t VALUES(1, 'a')"), "t + 1 'a'\n");
}

TEST(CaptureApp, drop_table_ships_no_deletes_and_others_go_on) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY, a); CREATE TABLE u(k INTEGER PRIMARY KEY)");
  node.run("INSERT INTO t VALUES(1, 'a')");
  EXPECT_EQ(node.captured("SELECT colony_allow_schema_changes(); DROP TABLE t; INSERT INTO u VALUES(1)"), "u + 1\n");
}

TEST(CaptureApp, vacuum_changes_nothing) {
  MemoryNode node(kSchema);
  node.run("INSERT INTO t VALUES(1, 'a')");
  EXPECT_EQ(node.captured("VACUUM; UPDATE t SET a = 'b'"), "t ~ 1 'a'>'b'\n");
}

TEST(CaptureApp, functions_tell_the_node_and_what_is_pending) {
  MemoryNode node(kSchema, "north");
  EXPECT_EQ(node.db().query_text("SELECT colony_node()"), "north");
  EXPECT_EQ(node.db().query_integer("SELECT colony_pending()"), 0);
  node.run("INSERT INTO t VALUES(1, 'a')");
  EXPECT_EQ(node.db().query_integer("SELECT colony_pending()"), 1);
  Database stranger = unit::open_captured(unit::new_memory_path());
  EXPECT_NE(unit::error_of(stranger, "SELECT colony_node()").find("run colony init"), std::string::npos);
}

}  // namespace
}  // namespace colony
