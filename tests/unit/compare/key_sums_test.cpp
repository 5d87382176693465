// Sums by buckets of keys: equal where the rows are, different where one is.
#include "replicator/compare/key_sums.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/memory_node.h"

namespace colony::unit {
namespace {

Database made(const std::string& schema, const std::string& rows) {
  Database db("", Database::Mode::kReadWrite);
  db.execute(schema + ";" + rows);
  return db;
}

KeySums sums_of(const std::string& schema, const std::string& rows) {
  Database db = made(schema, rows);
  KeySums sums;
  sums.add(db, read_table(db, "t"), 3, [] {});
  return sums;
}

// The keys that two states of a table differ in, and those that cannot be told from them.
std::set<std::string> differing(const std::string& schema, const std::string& rows, const std::string& change) {
  Database db = made(schema, rows);
  const ReplicatedTable table = read_table(db, "t");
  const KeySums mine = sums_of(schema, rows + ";" + change), theirs = sums_of(schema, rows);
  std::set<std::string> keys;
  DifferingKeys(db, table, mine, theirs)
      .for_each([&](const std::vector<Value>& row) { keys.insert(shown(row)); }, [] {});
  return keys;
}

constexpr const char* kByNumber = "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)";
constexpr const char* kByText = "CREATE TABLE t(a, k TEXT, b, PRIMARY KEY(k))";

TEST(KeySums, no_order_counts) {
  for (const char* schema : {kByNumber, kByText}) {
    EXPECT_EQ(sums_of(schema, "INSERT INTO t(k, a, b) VALUES(1, 2, 3), (4, 5, 6)"),
              sums_of(schema, "INSERT INTO t(k, a, b) VALUES(4, 5, 6), (1, 2, 3)"));
  }
}

TEST(KeySums, every_value_counts_and_its_type) {
  const KeySums sums = sums_of(kByNumber, "INSERT INTO t VALUES(1, 2, 3)");
  for (const char* row : {"(2, 2, 3)", "(1, 3, 3)", "(1, 2, 4)", "(1, 3, 2)", "(1, 2.0, 3)", "(1, '2', 3)",
                          "(1, x'32', 3)", "(1, NULL, 3)"}) {
    EXPECT_FALSE(sums == sums_of(kByNumber, std::string("INSERT INTO t VALUES") + row)) << row;
  }
}

constexpr const char* kManyRows =
    "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 9999) INSERT INTO t(k, a) SELECT i, 1 "
    "FROM n;";

TEST(DifferingKeys, are_few_beside_a_row_that_differs) {
  for (const char* change : {"DELETE FROM t WHERE k = '5000'", "UPDATE t SET a = 2 WHERE k = '5000'"}) {
    EXPECT_EQ(differing(kByText, kManyRows, change), std::set<std::string>{". '5000' ."});
    std::set<std::string> neighbours;
    for (int k = 5000 / 32 * 32; k < 5000 / 32 * 32 + 32; ++k) neighbours.insert(std::to_string(k) + " . .");
    EXPECT_EQ(differing(kByNumber, kManyRows, change), neighbours);
  }
  EXPECT_EQ(differing(kByNumber, kManyRows, "SELECT 1").size(), 0u);
}

TEST(DifferingKeys, are_found_whatever_whole_numbers_there_are) {
  const std::string ends = "INSERT INTO t(k) VALUES(-9223372036854775808), (-33), (-32), (-1), (0), (31), (32),";
  for (const std::string& rows : {ends + "(9223372036854775807)", ends + "(33)"}) {
    for (const char* k : {"-9223372036854775808", "-33", "-1", "0", "32"}) {
      const std::string change = std::string("UPDATE t SET a = 1 WHERE k = ") + k;
      EXPECT_TRUE(differing(kByNumber, rows, change).contains(std::string(k) + " . .")) << rows << k;
    }
  }
  EXPECT_EQ(differing(kByNumber, "INSERT INTO t(k) VALUES(-32), (-1), (0), (31), (32)", "DELETE FROM t WHERE k = -1"),
            (std::set<std::string>{"-32 . .", "-1 . ."}));
}

TEST(KeySums, rows_without_a_key_are_counted_alone) {
  const KeySums sums = sums_of(kByText, "INSERT INTO t(k, a) VALUES('x', 1), (NULL, 2), (NULL, 3)");
  EXPECT_EQ(sums.rows(), 1u);
  EXPECT_EQ(sums.keyless(), 2u);
  EXPECT_EQ(sums, sums_of(kByText, "INSERT INTO t(k, a) VALUES('x', 1)"));
}

}  // namespace
}  // namespace colony::unit
