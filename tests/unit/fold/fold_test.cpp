// Each cell of the fold's table, and what the journal says of it.
#include "replicator/fold/fold.h"

#include <gtest/gtest.h>

#include "tests/unit/memory_node.h"

namespace colony {
namespace {

using unit::changeset_at_origin;
using unit::MemoryFold;

constexpr const char* kSchema = "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)";

// A file with the rows that `here` makes, which gets what `sql` did to the rows
// that `there` makes.
class Meeting {
 public:
  Meeting(const std::string& schema, const std::string& here, const std::string& there, const std::string& sql)
      : file_(schema, here), conflicts_(file_.apply(changeset_at_origin(schema, there, sql))) {}
  Meeting(const std::string& here, const std::string& there, const std::string& sql)
      : Meeting(kSchema, here, there, sql) {}

  std::string rows(const std::string& table = "t") { return file_.rows(table); }
  const std::string& conflicts() const { return conflicts_; }
  Database& db() { return file_.db(); }

 private:
  MemoryFold file_;
  std::string conflicts_;
};

TEST(Fold, insert_of_a_missing_row_inserts) {
  Meeting met("", "", "INSERT INTO t VALUES(1, 'a', NULL)");
  EXPECT_EQ(met.rows(), "1 'a' NULL\n");
  EXPECT_EQ(met.conflicts(), "");
}

TEST(Fold, insert_over_a_row_takes_all_columns_and_journals_the_row) {
  Meeting met("INSERT INTO t VALUES(1, 'here', 5)", "", "INSERT INTO t VALUES(1, 'there', NULL)");
  EXPECT_EQ(met.rows(), "1 'there' NULL\n");
  EXPECT_EQ(met.conflicts(), "insert_exists t {\"k\":1} {\"k\":1,\"a\":\"here\",\"b\":5}\n");
}

TEST(Fold, insert_over_the_same_row_is_journalled_too) {
  Meeting met("INSERT INTO t VALUES(1, 'a', 5)", "", "INSERT INTO t VALUES(1, 'a', 5)");
  EXPECT_EQ(met.rows(), "1 'a' 5\n");
  EXPECT_EQ(met.conflicts(), "insert_exists t {\"k\":1} {\"k\":1,\"a\":\"a\",\"b\":5}\n");
}

TEST(Fold, update_of_the_row_it_knew_is_no_conflict) {
  const std::string row = "INSERT INTO t VALUES(1, 'a', 5)";
  Meeting met(row, row, "UPDATE t SET a = 'x'");
  EXPECT_EQ(met.rows(), "1 'x' 5\n");
  EXPECT_EQ(met.conflicts(), "");
}

TEST(Fold, updates_of_different_columns_both_win_without_a_conflict) {
  Meeting met("INSERT INTO t VALUES(1, 'here', 5)", "INSERT INTO t VALUES(1, 'a', 5)", "UPDATE t SET b = 6");
  EXPECT_EQ(met.rows(), "1 'here' 6\n");
  EXPECT_EQ(met.conflicts(), "");
}

TEST(Fold, update_of_the_same_column_wins_and_journals_what_was_there) {
  Meeting met("INSERT INTO t VALUES(1, 'here', 5)", "INSERT INTO t VALUES(1, 'a', 5)", "UPDATE t SET a = 'x', b = 6");
  EXPECT_EQ(met.rows(), "1 'x' 6\n");
  EXPECT_EQ(met.conflicts(), "update_differs t {\"k\":1} {\"a\":\"here\"}\n");
}

TEST(Fold, update_of_a_missing_row_does_nothing_and_journals_its_values) {
  Meeting met("", "INSERT INTO t VALUES(1, 'a', 5)", "UPDATE t SET a = 'x'");
  EXPECT_EQ(met.rows(), "");
  EXPECT_EQ(met.conflicts(), "update_missing t {\"k\":1} {\"a\":\"x\"}\n");
}

TEST(Fold, delete_of_the_row_it_knew_is_no_conflict) {
  const std::string row = "INSERT INTO t VALUES(1, 'a', NULL)";
  Meeting met(row, row, "DELETE FROM t");
  EXPECT_EQ(met.rows(), "");
  EXPECT_EQ(met.conflicts(), "");
}

TEST(Fold, delete_wins_over_a_row_it_did_not_know_and_journals_it) {
  Meeting met("INSERT INTO t VALUES(1, 'here', NULL)", "INSERT INTO t VALUES(1, 'a', NULL)", "DELETE FROM t");
  EXPECT_EQ(met.rows(), "");
  EXPECT_EQ(met.conflicts(), "delete_differs t {\"k\":1} {\"k\":1,\"a\":\"here\",\"b\":null}\n");
}

TEST(Fold, delete_of_a_missing_row_does_nothing) {
  Meeting met("", "INSERT INTO t VALUES(1, 'a', NULL)", "DELETE FROM t");
  EXPECT_EQ(met.rows(), "");
  EXPECT_EQ(met.conflicts(), "delete_missing t {\"k\":1} {}\n");
}

TEST(Fold, key_change_leaves_no_old_row) {
  const std::string row = "INSERT INTO t VALUES(1, 'a', NULL)";
  Meeting met(row, row, "UPDATE t SET k = 2");
  EXPECT_EQ(met.rows(), "2 'a' NULL\n");
  EXPECT_EQ(met.conflicts(), "");
}

TEST(Fold, conflicts_come_in_the_order_of_the_changes) {
  Meeting met("INSERT INTO t VALUES(1, 'here', 1), (4, 'here', 4)",
              "INSERT INTO t VALUES(1, 'a', 1), (2, 'b', 2), (3, 'c', 3)",
              "INSERT INTO t VALUES(4, 'd', 4); UPDATE t SET a = 'x' WHERE k = 2; UPDATE t SET a = 'x' WHERE k = 1;"
              "DELETE FROM t WHERE k = 3");
  EXPECT_EQ(
      met.conflicts(),
      "delete_missing t {\"k\":3} {}\nupdate_missing t {\"k\":2} {\"a\":\"x\"}\n"
      "update_differs t {\"k\":1} {\"a\":\"here\"}\ninsert_exists t {\"k\":4} {\"k\":4,\"a\":\"here\",\"b\":4}\n");
}

TEST(Fold, every_storage_class_is_written_and_compared_as_it_is) {
  const std::string row = "INSERT INTO t VALUES(1, CAST(x'ff00' AS TEXT), 2.5), (2, x'', 9007199254740993)";
  Meeting met(row, row, "UPDATE t SET a = b, b = a; INSERT INTO t VALUES(3, 9e999, 'nul' || char(0) || 'inside')");
  EXPECT_EQ(met.rows(), "1 2.5 '\\xff\\x00'\n2 9007199254740993 x''\n3 inf 'nul\\x00inside'\n");
  EXPECT_EQ(met.conflicts(), "");
}

TEST(Fold, journal_shows_values_that_json_has_no_words_for) {
  Meeting met("INSERT INTO t VALUES(1, x'00ff', CAST(x'ff' AS TEXT)), (2, -9e999, 'quote \" and \\')", "",
              "INSERT INTO t VALUES(1, 1, 1), (2, 2, 2)");
  EXPECT_EQ(met.conflicts(),
            "insert_exists t {\"k\":1} {\"k\":1,\"a\":{\"hex\":\"00ff\"},\"b\":{\"hex\":\"ff\"}}\n"
            "insert_exists t {\"k\":2} {\"k\":2,\"a\":-9e999,\"b\":\"quote \\\" and \\\\\"}\n");
}

TEST(Fold, composite_key_of_a_table_without_rowid) {
  Meeting met("CREATE TABLE t(v, a TEXT, b, PRIMARY KEY(b, a)) WITHOUT ROWID",
              "INSERT INTO t VALUES(1, 'x', 1), (2, 'x', 2)", "INSERT INTO t VALUES(1, 'x', 1), (5, 'y', 2)",
              "UPDATE t SET v = v + 10");
  EXPECT_EQ(met.rows(), "2 'x' 2\n11 'x' 1\n");
  EXPECT_EQ(met.conflicts(), "update_missing t {\"a\":\"y\",\"b\":2} {\"v\":15}\n");
}

TEST(Fold, nocase_key_finds_the_row_of_another_case) {
  const std::string schema = "CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, a)";
  Meeting update(schema, "INSERT INTO t VALUES('Key', 1)", "INSERT INTO t VALUES('key', 1)", "UPDATE t SET a = 2");
  EXPECT_EQ(update.rows(), "'Key' 2\n");
  EXPECT_EQ(update.conflicts(), "");
  Meeting insert(schema, "INSERT INTO t VALUES('Key', 1)", "", "INSERT INTO t VALUES('KEY', 2)");
  EXPECT_EQ(insert.rows(), "'KEY' 2\n");
  EXPECT_EQ(insert.conflicts(), "insert_exists t {\"k\":\"Key\"} {\"k\":\"Key\",\"a\":1}\n");
  Meeting erase(schema, "INSERT INTO t VALUES('Key', 1)", "INSERT INTO t VALUES('kEY', 1)", "DELETE FROM t");
  EXPECT_EQ(erase.rows(), "");
  Meeting rename(schema, "INSERT INTO t VALUES('key', 1)", "INSERT INTO t VALUES('key', 1)", "UPDATE t SET k = 'KEY'");
  EXPECT_EQ(rename.rows(), "'KEY' 1\n");
  EXPECT_EQ(rename.conflicts(), "");
}

TEST(Fold, values_of_a_nocase_column_are_compared_byte_by_byte) {
  Meeting met("CREATE TABLE t(k INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE)", "INSERT INTO t VALUES(1, 'A')",
              "INSERT INTO t VALUES(1, 'a')", "UPDATE t SET a = 'b'");
  EXPECT_EQ(met.rows(), "1 'b'\n");
  EXPECT_EQ(met.conflicts(), "update_differs t {\"k\":1} {\"a\":\"A\"}\n");
}

TEST(Fold, table_that_is_all_key) {
  const std::string schema = "CREATE TABLE t(a, b, PRIMARY KEY(a, b)) WITHOUT ROWID";
  Meeting met(schema, "INSERT INTO t VALUES(1, 1), (2, 2)", "INSERT INTO t VALUES(1, 1)",
              "INSERT INTO t VALUES(2, 2); DELETE FROM t WHERE a = 1");
  EXPECT_EQ(met.rows(), "2 2\n");
  EXPECT_EQ(met.conflicts(), "insert_exists t {\"a\":2,\"b\":2} {\"a\":2,\"b\":2}\n");
}

TEST(Fold, table_of_two_hundred_columns) {
  std::string schema = "CREATE TABLE t(k INTEGER PRIMARY KEY", set = "UPDATE t SET ";
  for (int i = 0; i < 200; ++i) {
    schema += ", c" + std::to_string(i);
    set += (i > 0 ? ", c" : "c") + std::to_string(i) + " = " + std::to_string(i);
  }
  schema += ")";
  const std::string row = "INSERT INTO t(k) VALUES(1), (2)";
  Meeting met(schema, row + "; UPDATE t SET c150 = 'here' WHERE k = 1", row, set);
  EXPECT_EQ(met.conflicts(), "update_differs t {\"k\":1} {\"c150\":\"here\"}\n");
  EXPECT_EQ(met.db().query_integer("SELECT sum(c199) FROM t"), 398);
  Meeting erased(schema, row + "; UPDATE t SET c150 = 'here' WHERE k = 1", row, "DELETE FROM t");
  EXPECT_EQ(erased.rows(), "");
  EXPECT_NE(erased.conflicts().find("delete_differs"), std::string::npos);
  EXPECT_EQ(erased.conflicts().find("\"k\":2"), std::string::npos);
}

TEST(Fold, names_with_quotes_and_keywords) {
  const std::string schema = "CREATE TABLE \"a \"\"b\"\"\"(\"select\" INTEGER PRIMARY KEY, \"x y\")";
  Meeting met(schema, "INSERT INTO \"a \"\"b\"\"\" VALUES(1, 'here')", "INSERT INTO \"a \"\"b\"\"\" VALUES(1, 'a')",
              "UPDATE \"a \"\"b\"\"\" SET \"x y\" = 'b'");
  EXPECT_EQ(met.rows("\"a \"\"b\"\"\""), "1 'b'\n");
  EXPECT_EQ(met.conflicts(), "update_differs a \"b\" {\"select\":1} {\"x y\":\"here\"}\n");
}

TEST(Fold, generated_columns_are_recomputed) {
  Meeting met("CREATE TABLE t(k INTEGER PRIMARY KEY, g AS (a * 2) STORED, a, h AS (a + 1))",
              "INSERT INTO t(k, a) VALUES(1, 1)", "INSERT INTO t(k, a) VALUES(1, 1)",
              "UPDATE t SET a = 5; INSERT INTO t(k, a) VALUES(2, 10)");
  EXPECT_EQ(met.rows(), "1 10 5 6\n2 20 10 11\n");
}

TEST(Fold, utf16_database_gets_what_an_utf8_one_wrote) {
  MemoryFold file(std::string("PRAGMA encoding = 'UTF-16'; ") + kSchema, "INSERT INTO t VALUES(1, 'Grüße', '😀')");
  const std::string changeset = changeset_at_origin(kSchema, "INSERT INTO t VALUES(1, 'Grüße', '😀')",
                                                    "UPDATE t SET a = 'Straße'; INSERT INTO t VALUES(2, 'é', '')");
  EXPECT_EQ(file.apply(changeset), "");
  EXPECT_EQ(file.db().query_text("SELECT group_concat(a, '|') FROM t"), "Straße|é");
}

}  // namespace
}  // namespace colony
