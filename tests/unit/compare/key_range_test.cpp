// Ranges of keys: the same rows on every node, found without reading the others.
#include "replicator/compare/key_range.h"

#include <gtest/gtest.h>

#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/changeset.h"
#include "tests/unit/memory_node.h"

namespace colony {
namespace {

using unit::MemoryNode;

std::string bound(const std::vector<Value>& values) {
  std::string bytes;
  for (const Value& value : values) append_value(bytes, value);
  return bytes;
}

class KeyRangeTest : public testing::Test {
 protected:
  // The rows in the range, by their `id`, and whether SQLite looks at these alone.
  std::string in_range(const std::string& schema, const std::vector<Value>& low, const std::vector<Value>& high) {
    MemoryNode node(schema);
    const ReplicatedTable table = read_table(node.db(), "t");
    const std::optional<KeyRange> range = KeyRange::of(table, bound(low), bound(high));
    if (!range) return "none";
    std::string order;
    for (const std::string& term : key_terms(table)) order += (order.empty() ? "" : ",") + term;
    const std::string select = "SELECT id FROM t" + range->where(table) + " ORDER BY " + order;
    Statement plan(node.db(), "EXPLAIN QUERY PLAN " + select);
    std::string found;
    while (plan.step()) {
      if (plan.text(3).find("SEARCH") == std::string_view::npos) found += std::string(plan.text(3)) + " ";
    }
    Statement rows(node.db(), select);
    range->bind(rows, 1);
    while (rows.step()) found += std::string(rows.text(0));
    // The same of each row's key by itself.
    Statement each(node.db(), "SELECT * FROM t ORDER BY " + order), test(node.db(), "SELECT " + range->test(table));
    std::string tested;
    while (each.step()) {
      std::vector<Value> row;
      for (int i = 0; i < each.columns(); ++i) row.push_back(each.value(i));
      range->bind(test, bind_key(test, table, row));
      if (test.step() && test.integer(0) != 0) tested += std::string(each.text(each.columns() - 1));
      test.reset();
    }
    EXPECT_EQ(found, tested) << select;
    return found;
  }
};

Value text(const char* value) { return Value::of_text(value); }
Value integer(std::int64_t value) { return Value::of_integer(value); }

TEST_F(KeyRangeTest, of_a_rowid) {
  const char* schema =
      "CREATE TABLE t(k INTEGER PRIMARY KEY, id); INSERT INTO t VALUES(-1, 'a'), (2, 'b'), (3, 'c'), (9, 'd')";
  EXPECT_EQ(in_range(schema, {integer(-1)}, {integer(3)}), "bc");
  EXPECT_EQ(in_range(schema, {integer(2)}, {}), "cd");
  EXPECT_EQ(in_range(schema, {}, {integer(2)}), "ab");
}

TEST_F(KeyRangeTest, of_several_columns_in_the_order_of_the_key) {
  const char* schema =
      "CREATE TABLE t(b INT, a TEXT COLLATE NOCASE, id, PRIMARY KEY(a, b)) WITHOUT ROWID;"
      "INSERT INTO t VALUES(1, 'x', 'a'), (2, 'X', 'b'), (3, 'x', 'c'), (1, 'Y', 'd'), (0, 'z', 'e')";
  EXPECT_EQ(in_range(schema, {text("X"), integer(1)}, {text("y"), integer(1)}), "bcd");
  EXPECT_EQ(in_range(schema, {text("x"), integer(3)}, {}), "de");
}

TEST_F(KeyRangeTest, under_a_collation_that_is_the_keys_alone) {
  const char* schema =
      "CREATE TABLE t(a TEXT NOT NULL, b INT NOT NULL, id, PRIMARY KEY(a COLLATE NOCASE, b));"
      "INSERT INTO t VALUES('b', 1, 'a'), ('B', 2, 'b'), ('c', 0, 'c'), ('C', 3, 'd')";
  EXPECT_EQ(in_range(schema, {text("B"), integer(1)}, {text("c"), integer(0)}), "bc");
}

TEST_F(KeyRangeTest, of_values_of_every_kind) {
  const char* schema =
      "CREATE TABLE t(k PRIMARY KEY NOT NULL, id) WITHOUT ROWID;"
      "INSERT INTO t VALUES(-1, 'a'), (1.5, 'b'), (2, 'c'), ('', 'd'), ('2', 'e'), (x'', 'f'), (x'00', 'g')";
  EXPECT_EQ(in_range(schema, {Value::of_real(1.5)}, {text("2")}), "cde");
  EXPECT_EQ(in_range(schema, {text("2")}, {Value::of_blob("")}), "f");
}

TEST_F(KeyRangeTest, that_is_none_of_this_table) {
  const char* schema = "CREATE TABLE t(k INTEGER PRIMARY KEY, id)";
  EXPECT_EQ(in_range(schema, {integer(1), integer(2)}, {}), "none");
}

}  // namespace
}  // namespace colony
