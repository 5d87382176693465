// All rows of a file as its first transaction; and what two files are told to differ in.
#include "replicator/apply/merge.h"

#include <gtest/gtest.h>

#include "replicator/compare/table_comparison.h"
#include "tests/unit/memory_node.h"

namespace colony::unit {
namespace {

constexpr const char* kTables =
    "CREATE TABLE \"a b\"(x TEXT, y, g AS (x || y), PRIMARY KEY(y, x)) WITHOUT ROWID;"
    "CREATE TABLE n(id INTEGER PRIMARY KEY, r REAL, v);"
    "CREATE TABLE empty(id INTEGER PRIMARY KEY);";
constexpr const char* kRows =
    "INSERT INTO \"a b\"(x, y) VALUES('x', 1), ('x', '1'), ('', x'00');"
    "INSERT INTO n VALUES(-5, 7, NULL), (9223372036854775807, 0.1, x'00ff'), (1, 9e999, 'a' || char(0) || 'b');";

std::uint64_t merge(MemoryNode& node) {
  WriteTransaction transaction(node.db());
  NodeFile file(node.db());
  const std::uint64_t rows = merge_own_rows(node.db(), file);
  transaction.commit();
  return rows;
}

std::string all_rows(Database& db) { return rows(db, "\"a b\"") + rows(db, "n") + rows(db, "empty"); }

TEST(Merge, all_rows_are_one_transaction_that_makes_them_anew) {
  MemoryNode node(std::string(kTables) + kRows);
  EXPECT_EQ(merge(node), 6u);
  ASSERT_EQ(node.outbox().size(), 1u);
  MemoryFold fold(kTables, "");
  EXPECT_EQ(fold.apply(node.outbox().front()), "");
  EXPECT_EQ(all_rows(fold.db()), all_rows(node.db()));
}

TEST(Merge, what_was_pending_is_part_of_it) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY, x); INSERT INTO t VALUES(1, 'a'), (2, 'a');");
  node.run("UPDATE t SET x = 'b' WHERE k = 1; DELETE FROM t WHERE k = 2; INSERT INTO t VALUES(3, 'b')");
  for (int times = 0; times < 2; ++times) {
    EXPECT_EQ(merge(node), 2u);
    ASSERT_EQ(node.outbox().size(), 1u);
    EXPECT_EQ(shown_changes(node.outbox().front()), "t + 1 'b'\nt + 3 'b'\n");
  }
  EXPECT_EQ(node.captured("INSERT INTO t VALUES(4, 'later')"), "t + 4 'later'\n");
}

TEST(Merge, rows_with_null_in_the_key_stay_here_and_are_not_compared) {
  const std::string schema = "CREATE TABLE t(a TEXT PRIMARY KEY, x)";
  MemoryNode node(schema), other(schema);
  for (MemoryNode* file : {&node, &other}) put_into_mode(file->path(), CaptureMode::kWal);
  node.run("INSERT INTO t VALUES('a', 1), (NULL, 2), (NULL, 3)");
  other.run("INSERT INTO t VALUES('a', 1), (NULL, 4)");
  EXPECT_TRUE(compare_rows(node.db(), other.db(), [] {}).empty());
  EXPECT_EQ(merge(node), 1u);
  EXPECT_EQ(shown_changes(node.outbox().front()), "t + 'a' 1\n");
}

TEST(Merge, it_is_cut_into_chunks) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY, x); INSERT INTO t VALUES(1, zeroblob(200000)), (2, 'small');");
  merge(node);
  EXPECT_EQ(rows(node.db(), "(SELECT piece, last, length(changeset) FROM __colony_outbox)"),
            "1 0 60000\n2 0 60000\n3 0 60000\n4 1 20039\n");
  EXPECT_EQ(rows(node.db(), "(SELECT count(DISTINCT shape) FROM __colony_outbox)"), "1\n");
}

TEST(Merge, file_without_rows_has_nothing_to_send) {
  MemoryNode node(kTables);
  EXPECT_EQ(merge(node), 0u);
  EXPECT_TRUE(node.outbox().empty());
}

TEST(Merge, file_that_has_met_its_colony_is_refused) {
  MemoryNode node(std::string(kTables) + kRows);
  node.run("INSERT INTO __colony_origins VALUES('z', 1, 0, 1, 'h', 'p', 'v')");
  EXPECT_THROW(merge(node), Error);
  EXPECT_TRUE(node.outbox().empty());
}

std::string compared(const std::string& mine, const std::string& other, bool may_have_more = false) {
  MemoryNode a(mine), b(other);
  if (const auto differs = compare_definitions(a.db(), b.db(), may_have_more); !differs.empty()) {
    return to_string(differs);
  }
  return to_string(compare_rows(a.db(), b.db(), [] {}));
}

TEST(TableComparison, rows_are_counted_by_how_they_differ) {
  const std::string t = "CREATE TABLE t(k INTEGER PRIMARY KEY, x); INSERT INTO t VALUES";
  EXPECT_EQ(compared(t + "(1, 'a')", t + "(1, 'a')"), "");
  EXPECT_EQ(compared(t + "(1, 1)", t + "(1, '1')"), "t (1 row different)");
  EXPECT_EQ(compared(t + "(1, 1), (2, 2), (3, 3), (4, 'mine')", t + "(4, 'theirs'), (5, 5)"),
            "t (1 row missing here, 3 only here, 1 different)");
}

TEST(TableComparison, tables_that_one_lacks) {
  const std::string one = "CREATE TABLE one(k INTEGER PRIMARY KEY);", two = "CREATE TABLE two(k INTEGER PRIMARY KEY);";
  EXPECT_EQ(compared(one, one + two), "two (there is no such table here)");
  EXPECT_EQ(compared(one + two, one), "");
  EXPECT_EQ(compared(one + two + "INSERT INTO two VALUES(1), (2)", one), "two (2 rows only here)");
}

TEST(TableComparison, definitions) {
  const std::string t = "CREATE TABLE t(k INTEGER PRIMARY KEY, x);";
  EXPECT_EQ(compared(t + "CREATE UNIQUE INDEX i ON t(x)", t + "CREATE UNIQUE INDEX other ON t(x)"), "");
  EXPECT_NE(compared(t + "CREATE UNIQUE INDEX i ON t(x)", t), "");
  const std::string more = "CREATE TABLE t(k INTEGER PRIMARY KEY, x, y DEFAULT 5);";
  EXPECT_EQ(compared(more, t), "t (here column y was added)");
  EXPECT_EQ(compared(more, t, true), "");
  EXPECT_EQ(compared(t, more, true), "t (here column y is gone)");
}

}  // namespace
}  // namespace colony::unit
