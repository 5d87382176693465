// Rows in the way of a unique index: who survives, and what the journal says.
#include <gtest/gtest.h>

#include "tests/unit/memory_node.h"

namespace colony {
namespace {

using unit::changeset_at_origin;
using unit::MemoryFold;

struct Outcome {
  std::string rows, conflicts;
};

Outcome meet(const std::string& schema, const std::string& here, const std::string& there, const std::string& sql) {
  MemoryFold file(schema, here);
  const std::string conflicts = file.apply(changeset_at_origin(schema, there, sql));
  EXPECT_EQ(file.db().query_text("PRAGMA integrity_check"), "ok");
  return {file.rows("t"), conflicts};
}

constexpr const char* kOne = "CREATE TABLE t(k INTEGER PRIMARY KEY, u UNIQUE)";
constexpr const char* kTwo = "CREATE TABLE t(k INTEGER PRIMARY KEY, u UNIQUE, v UNIQUE)";

TEST(FoldUnique, insert_displaces_the_row_that_has_its_value) {
  const auto [rows, conflicts] = meet(kOne, "INSERT INTO t VALUES(1, 'x')", "", "INSERT INTO t VALUES(2, 'x')");
  EXPECT_EQ(rows, "2 'x'\n");
  EXPECT_EQ(conflicts, "displaced t {\"k\":1} {\"k\":1,\"u\":\"x\"}\n");
}

TEST(FoldUnique, update_displaces_the_row_that_has_its_value) {
  const auto [rows, conflicts] =
      meet(kOne, "INSERT INTO t VALUES(1, 'x'), (2, 'y')", "INSERT INTO t VALUES(2, 'y')", "UPDATE t SET u = 'x'");
  EXPECT_EQ(rows, "2 'x'\n");
  EXPECT_EQ(conflicts, "displaced t {\"k\":1} {\"k\":1,\"u\":\"x\"}\n");
}

TEST(FoldUnique, insert_over_a_row_that_also_displaces_another) {
  const auto [rows, conflicts] =
      meet(kOne, "INSERT INTO t VALUES(1, 'x'), (2, 'y')", "", "INSERT INTO t VALUES(2, 'x')");
  EXPECT_EQ(rows, "2 'x'\n");
  EXPECT_EQ(conflicts,
            "insert_exists t {\"k\":2} {\"k\":2,\"u\":\"y\"}\ndisplaced t {\"k\":1} {\"k\":1,\"u\":\"x\"}\n");
}

TEST(FoldUnique, one_row_displaces_one_per_index) {
  const auto [rows, conflicts] = meet(kTwo, "INSERT INTO t VALUES(1, 'x', 'p'), (2, 'y', 'q'), (3, 'z', 'r')", "",
                                      "INSERT INTO t VALUES(4, 'x', 'q')");
  EXPECT_EQ(rows, "3 'z' 'r'\n4 'x' 'q'\n");
  EXPECT_EQ(conflicts,
            "displaced t {\"k\":1} {\"k\":1,\"u\":\"x\",\"v\":\"p\"}\n"
            "displaced t {\"k\":2} {\"k\":2,\"u\":\"y\",\"v\":\"q\"}\n");
}

TEST(FoldUnique, values_that_two_rows_swap_displace_nobody) {
  const std::string rows_before = "INSERT INTO t VALUES(1, 'x'), (2, 'y')";
  const auto [rows, conflicts] =
      meet(kOne, rows_before, rows_before,
           "UPDATE t SET u = 'tmp' WHERE k = 1; UPDATE t SET u = 'x' WHERE k = 2; UPDATE t SET u = 'y' WHERE k = 1");
  EXPECT_EQ(rows, "1 'y'\n2 'x'\n");
  EXPECT_EQ(conflicts, "");
}

TEST(FoldUnique, values_that_move_round_a_ring_displace_nobody) {
  const std::string rows_before = "INSERT INTO t VALUES(1, 1), (2, 2), (3, 3), (4, 4)";
  const auto [rows, conflicts] =
      meet(kOne, rows_before, rows_before, "UPDATE t SET u = -u; UPDATE t SET u = -u % 4 + 1");
  EXPECT_EQ(rows, "1 2\n2 3\n3 4\n4 1\n");
  EXPECT_EQ(conflicts, "");
}

TEST(FoldUnique, value_that_passes_from_a_deleted_row_to_a_new_one) {
  const std::string rows_before = "INSERT INTO t VALUES(1, 'x'), (2, 'y')";
  const auto [rows, conflicts] = meet(kOne, rows_before, rows_before,
                                      "DELETE FROM t WHERE k = 1; UPDATE t SET u = 'x' WHERE k = 2;"
                                      "INSERT INTO t VALUES(3, 'y')");
  EXPECT_EQ(rows, "2 'x'\n3 'y'\n");
  EXPECT_EQ(conflicts, "");
}

TEST(FoldUnique, swap_that_meets_another_owner_displaces_him) {
  const auto [rows, conflicts] =
      meet(kOne, "INSERT INTO t VALUES(1, 'x'), (2, 'z'), (3, 'y')", "INSERT INTO t VALUES(1, 'x'), (2, 'y')",
           "UPDATE t SET u = 'tmp' WHERE k = 1; UPDATE t SET u = 'x' WHERE k = 2; UPDATE t SET u = 'y' WHERE k = 1");
  EXPECT_EQ(rows, "1 'y'\n2 'x'\n");
  EXPECT_EQ(conflicts, "update_differs t {\"k\":2} {\"u\":\"z\"}\ndisplaced t {\"k\":3} {\"k\":3,\"u\":\"y\"}\n");
}

TEST(FoldUnique, chain_of_displaced_rows_over_two_indexes) {
  // 5 takes u from 1; 6 takes v from 2 and u from 3: one of another transaction each.
  const auto [rows, conflicts] =
      meet(kTwo, "INSERT INTO t VALUES(1, 'a', 'p'), (2, 'b', 'q'), (3, 'c', 'r'), (4, 'd', 's')", "",
           "INSERT INTO t VALUES(5, 'a', 'x'), (6, 'c', 'q')");
  EXPECT_EQ(rows, "4 'd' 's'\n5 'a' 'x'\n6 'c' 'q'\n");
  EXPECT_EQ(conflicts,
            "displaced t {\"k\":1} {\"k\":1,\"u\":\"a\",\"v\":\"p\"}\n"
            "displaced t {\"k\":2} {\"k\":2,\"u\":\"b\",\"v\":\"q\"}\n"
            "displaced t {\"k\":3} {\"k\":3,\"u\":\"c\",\"v\":\"r\"}\n");
}

TEST(FoldUnique, later_change_of_one_transaction_wins_a_value_that_both_want) {
  // At the origin row 1 had left 'x' to row 2; here row 1 keeps it in v's place.
  MemoryFold file(kOne, "");
  std::string both;
  ChangesetWriter writer(both);
  writer.begin_table({"t", {1, 0}});
  writer.add(Operation::kInsert, {}, {Value::of_integer(1), Value::of_text("x")});
  writer.add(Operation::kInsert, {}, {Value::of_integer(2), Value::of_text("x")});
  EXPECT_EQ(file.apply(both), "displaced t {\"k\":1} {\"k\":1,\"u\":\"x\"}\n");
  EXPECT_EQ(file.rows("t"), "2 'x'\n");
}

TEST(FoldUnique, null_is_in_nobodys_way) {
  const auto [rows, conflicts] =
      meet(kOne, "INSERT INTO t VALUES(1, NULL)", "", "INSERT INTO t VALUES(2, NULL), (3, NULL)");
  EXPECT_EQ(rows, "1 NULL\n2 NULL\n3 NULL\n");
  EXPECT_EQ(conflicts, "");
}

TEST(FoldUnique, partial_index_counts_only_its_rows) {
  const std::string schema = "CREATE TABLE t(k INTEGER PRIMARY KEY, u, live); CREATE UNIQUE INDEX i ON t(u) WHERE live";
  EXPECT_EQ(meet(schema, "INSERT INTO t VALUES(1, 'x', 0)", "", "INSERT INTO t VALUES(2, 'x', 1)").conflicts, "");
  EXPECT_EQ(meet(schema, "INSERT INTO t VALUES(1, 'x', 1)", "", "INSERT INTO t VALUES(2, 'x', 1)").conflicts,
            "displaced t {\"k\":1} {\"k\":1,\"u\":\"x\",\"live\":1}\n");
  // A change of the condition alone brings the row into the index.
  const auto [rows, conflicts] = meet(schema, "INSERT INTO t VALUES(1, 'x', 1), (2, 'x', 0)",
                                      "INSERT INTO t VALUES(2, 'x', 0)", "UPDATE t SET live = 1");
  EXPECT_EQ(rows, "2 'x' 1\n");
  EXPECT_EQ(conflicts, "displaced t {\"k\":1} {\"k\":1,\"u\":\"x\",\"live\":1}\n");
}

TEST(FoldUnique, index_on_an_expression) {
  const auto [rows, conflicts] = meet("CREATE TABLE t(k INTEGER PRIMARY KEY, u); CREATE UNIQUE INDEX i ON t(lower(u))",
                                      "INSERT INTO t VALUES(1, 'X')", "", "INSERT INTO t VALUES(2, 'x')");
  EXPECT_EQ(rows, "2 'x'\n");
  EXPECT_EQ(conflicts, "displaced t {\"k\":1} {\"k\":1,\"u\":\"X\"}\n");
}

TEST(FoldUnique, nocase_index_over_a_binary_column) {
  const auto [rows, conflicts] =
      meet("CREATE TABLE t(k INTEGER PRIMARY KEY, u); CREATE UNIQUE INDEX i ON t(u COLLATE NOCASE)",
           "INSERT INTO t VALUES(1, 'X')", "", "INSERT INTO t VALUES(2, 'x')");
  EXPECT_EQ(rows, "2 'x'\n");
  EXPECT_EQ(conflicts, "displaced t {\"k\":1} {\"k\":1,\"u\":\"X\"}\n");
}

TEST(FoldUnique, second_unique_column_of_a_table_without_rowid) {
  const auto [rows, conflicts] =
      meet("CREATE TABLE t(k TEXT PRIMARY KEY, u UNIQUE) WITHOUT ROWID", "INSERT INTO t VALUES('a', 1), ('b', 2)",
           "INSERT INTO t VALUES('b', 2)", "UPDATE t SET u = 1");
  EXPECT_EQ(rows, "'b' 1\n");
  EXPECT_EQ(conflicts, "displaced t {\"k\":\"a\"} {\"k\":\"a\",\"u\":1}\n");
}

TEST(FoldUnique, conflict_clauses_of_the_schema_do_not_decide) {
  const std::string ignore = "CREATE TABLE t(k INTEGER PRIMARY KEY ON CONFLICT IGNORE, u UNIQUE ON CONFLICT IGNORE)";
  const auto [rows, conflicts] =
      meet(ignore, "INSERT INTO t VALUES(1, 'x'), (2, 'y')", "", "INSERT INTO t VALUES(1, 'there'), (3, 'y')");
  EXPECT_EQ(rows, "1 'there'\n3 'y'\n");
  EXPECT_EQ(conflicts,
            "insert_exists t {\"k\":1} {\"k\":1,\"u\":\"x\"}\ndisplaced t {\"k\":2} {\"k\":2,\"u\":\"y\"}\n");
  const std::string replace = "CREATE TABLE t(k INTEGER PRIMARY KEY ON CONFLICT REPLACE, u UNIQUE ON CONFLICT REPLACE)";
  const Outcome replaced =
      meet(replace, "INSERT INTO t VALUES(1, 'x'), (2, 'y')", "", "INSERT INTO t VALUES(1, 'there'), (3, 'y')");
  EXPECT_EQ(replaced.rows, rows);
  EXPECT_EQ(replaced.conflicts, conflicts);
}

TEST(FoldUnique, displaced_rows_are_reported_before_they_are_decided_on) {
  MemoryFold file(kTwo, "INSERT INTO t VALUES(1, 'x', 'p'), (2, 'y', 'q')");
  std::string reported;
  file.fold().on_displaced([&](const ReplicatedTable& table, const std::vector<Value>& row) {
    reported += table.name + " " + unit::shown(row) + "\n";
  });
  file.apply(changeset_at_origin(kTwo, "", "INSERT INTO t VALUES(3, 'x', 'q')"));
  EXPECT_NE(reported.find("t 1 'x' 'p'\n"), std::string::npos);
  EXPECT_NE(reported.find("t 2 'y' 'q'\n"), std::string::npos);
}

TEST(FoldUnique, order_in_which_indexes_were_made_decides_nothing) {
  const std::string table = "CREATE TABLE t(k INTEGER PRIMARY KEY, u, v);";
  const std::string iu = "CREATE UNIQUE INDEX iu ON t(u);", iv = "CREATE UNIQUE INDEX iv ON t(v);";
  const std::string here = "INSERT INTO t VALUES(1, 'x', 'p'), (2, 'y', 'q')";
  const std::string sql = "INSERT INTO t VALUES(3, 'x', 'q')";
  EXPECT_EQ(meet(table + iu + iv, here, "", sql).conflicts, meet(table + iv + iu, here, "", sql).conflicts);
}

}  // namespace
}  // namespace colony
