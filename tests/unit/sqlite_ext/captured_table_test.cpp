#include "sqlite_ext/captured_table.h"

#include <gtest/gtest.h>

#include "tests/unit/memory_node.h"

namespace colony {
namespace {

class CapturedTableTest : public testing::Test {
 protected:
  std::optional<CapturedTable> load(const std::string& create, const std::string& name = "t") {
    db_.execute(create);
    return load_captured_table(db_.handle(), "main", name);
  }

  Database db_{unit::new_memory_path(), Database::Mode::kReadWrite};
};

TEST_F(CapturedTableTest, key_columns_are_numbered_by_their_place_in_the_key) {
  const auto table = load("CREATE TABLE t(a, b, c, PRIMARY KEY(c, a)) WITHOUT ROWID");
  ASSERT_TRUE(table);
  EXPECT_EQ(table->header.key, (std::vector<std::uint8_t>{2, 0, 1}));
  EXPECT_EQ(table->key_columns(), 2u);
  EXPECT_TRUE(table->without_rowid);
}

TEST_F(CapturedTableTest, generated_columns_are_left_out_and_move_the_others) {
  const auto table = load("CREATE TABLE t(v AS (a), k INT PRIMARY KEY, s AS (a) STORED, a REAL DEFAULT 1)");
  ASSERT_TRUE(table);
  ASSERT_EQ(table->columns.size(), 2u);
  EXPECT_EQ(table->columns[0].name, "k");
  EXPECT_EQ(table->columns[0].declared_index, 1);
  EXPECT_EQ(table->columns[0].stored_index, 0);
  EXPECT_EQ(table->columns[1].declared_index, 3);
  EXPECT_EQ(table->columns[1].stored_index, 2);
  EXPECT_TRUE(table->columns[1].real);
  EXPECT_TRUE(table->columns[1].has_default);
  EXPECT_FALSE(table->without_rowid);
}

TEST_F(CapturedTableTest, only_a_rowid_key_behind_a_virtual_column_is_displaced) {
  EXPECT_TRUE(load("CREATE TABLE a(v AS (x), k INTEGER PRIMARY KEY, x)", "a")->rowid_key_displaced);
  EXPECT_FALSE(load("CREATE TABLE b(k INTEGER PRIMARY KEY, v AS (x), x)", "b")->rowid_key_displaced);
  EXPECT_FALSE(load("CREATE TABLE c(v AS (x) STORED, k INTEGER PRIMARY KEY, x)", "c")->rowid_key_displaced);
  EXPECT_FALSE(load("CREATE TABLE d(v AS (x), k INT PRIMARY KEY, x)", "d")->rowid_key_displaced);
  EXPECT_FALSE(load("CREATE TABLE e(v AS (x), k INTEGER PRIMARY KEY, x) WITHOUT ROWID", "e")->rowid_key_displaced);
}

TEST_F(CapturedTableTest, table_without_a_key_or_at_all_is_none) {
  EXPECT_FALSE(load("CREATE TABLE t(a)"));
  EXPECT_FALSE(load("SELECT 1", "missing"));
}

TEST(CapturedTable, affinity_follows_the_rules_of_sqlite) {
  for (const char* type : {"REAL", "real", "FLOAT", "DOUBLE", "DOUBLE PRECISION", "MY_FLOAT(3)"}) {
    EXPECT_TRUE(has_real_affinity(type)) << type;
  }
  for (const char* type :
       {"", "INTEGER", "NUMERIC", "TEXT", "FLOATING POINT", "CHARFLOAT", "BLOBREAL", "DECIMAL(10,5)"}) {
    EXPECT_FALSE(has_real_affinity(type)) << type;
  }
}

TEST(CapturedTable, shape_tells_names_and_their_order_apart) {
  EXPECT_EQ(table_shape({"a", "b", "c"}, 2), table_shape({"a", "b"}, 2));
  EXPECT_NE(table_shape({"a", "b"}, 2), table_shape({"b", "a"}, 2));
  EXPECT_NE(table_shape({"ab", "c"}, 2), table_shape({"a", "bc"}, 2));
  EXPECT_NE(combine_shapes(combine_shapes(0, 1), 2), combine_shapes(combine_shapes(0, 2), 1));
}

TEST(CapturedTable, quotes_in_names_are_doubled) {
  EXPECT_EQ(quoted("a"), "\"a\"");
  EXPECT_EQ(quoted("a \"b\""), "\"a \"\"b\"\"\"");
}

}  // namespace
}  // namespace colony
