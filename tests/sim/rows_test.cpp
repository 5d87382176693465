// The hazards of rows that several nodes change at once, one test each.
#include <gtest/gtest.h>

#include "tests/sim/small_colony.h"

namespace colony::sim {
namespace {

using Rows = std::vector<std::string>;

constexpr const char* kTable = "CREATE TABLE t(k INTEGER PRIMARY KEY, x, y)";
constexpr const char* kAll = "SELECT k, x, y FROM t ORDER BY k";

// Both nodes change at once what both know; `first` comes first in the log.
void cross(SmallColony& colony, const std::string& first, const std::string& sql_of_first, const std::string& second,
           const std::string& sql_of_second) {
  colony.sql(first, sql_of_first);
  colony.sql(second, sql_of_second);
  colony.publish(first);
  colony.publish(second);
  ASSERT_EQ(colony.settle(), "");
}

TEST(Hazard, key_change) {
  SmallColony colony(kTable);
  colony.sql("a", "INSERT INTO t VALUES(1, 'x', 'y')");
  ASSERT_EQ(colony.settle(), "");
  colony.sql("b", "UPDATE t SET k = 7");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", kAll), Rows{"7|x|y"});
}

TEST(Hazard, key_change_against_an_update_of_the_old_row) {
  SmallColony colony(kTable);
  colony.sql("a", "INSERT INTO t VALUES(1, 'x', 'y')");
  ASSERT_EQ(colony.settle(), "");
  cross(colony, "a", "UPDATE t SET k = 7", "b", "UPDATE t SET x = 'late'");
  EXPECT_EQ(colony.rows("a", kAll), Rows{"7|x|y"});
  EXPECT_EQ(colony.conflicts("b"), Rows{R"(update_missing t {"k":1} {"x":"late"})"});
}

TEST(Hazard, unique_clash) {
  for (const auto& [first, second] : {std::pair{"a", "b"}, std::pair{"b", "a"}}) {
    SmallColony colony("CREATE TABLE t(k INTEGER PRIMARY KEY, x UNIQUE, y)");
    cross(colony, first, "INSERT INTO t VALUES(1, 'same', 'first')", second,
          "INSERT INTO t VALUES(2, 'same', 'second')");
    EXPECT_EQ(colony.rows("a", kAll), Rows{"2|same|second"});
    EXPECT_EQ(colony.conflicts("b"), Rows{R"(displaced t {"k":1} {"k":1,"x":"same","y":"first"})"});
  }
}

TEST(Hazard, unique_clash_with_several_indexes) {
  SmallColony colony("CREATE TABLE t(k INTEGER PRIMARY KEY, x UNIQUE, y UNIQUE)", {"a", "b", "c"});
  colony.sql("a", "INSERT INTO t VALUES(1, 'x', 'other')");
  colony.sql("b", "INSERT INTO t VALUES(2, 'other', 'y')");
  colony.sql("c", "INSERT INTO t VALUES(3, 'x', 'y')");
  for (const char* node : {"a", "b", "c"}) colony.publish(node);
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", kAll), Rows{"3|x|y"});
  EXPECT_EQ(colony.conflicts("a").size(), 2u);
}

TEST(Hazard, unique_clash_in_a_chain) {
  // The second displaces the first, and the third the second; the fourth knew of
  // the first only.
  SmallColony colony("CREATE TABLE t(k INTEGER PRIMARY KEY, x UNIQUE, y UNIQUE)", {"a", "b", "c", "d"});
  colony.sql("a", "INSERT INTO t VALUES(1, 1, 1)");
  ASSERT_EQ(colony.settle(), "");
  colony.sql("b", "UPDATE t SET k = 2, y = 2");
  colony.sql("c", "INSERT INTO t VALUES(3, 3, 2)");
  colony.sql("d", "UPDATE t SET y = 4");
  colony.sql("a", "INSERT INTO t VALUES(4, 3, 4)");
  for (const char* node : {"b", "c", "d", "a"}) colony.publish(node);
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("c", kAll), Rows{"4|3|4"});
  EXPECT_EQ(colony.conflicts("c"),
            (Rows{R"(displaced t {"k":2} {"k":2,"x":1,"y":2})", R"(update_missing t {"k":1} {"y":4})",
                  R"(displaced t {"k":3} {"k":3,"x":3,"y":2})"}));
}

TEST(Hazard, unique_clash_of_swapped_values) {
  SmallColony colony("CREATE TABLE t(k INTEGER PRIMARY KEY, x UNIQUE, y)");
  colony.sql("a", "INSERT INTO t VALUES(1, 'one', 0), (2, 'two', 0)");
  ASSERT_EQ(colony.settle(), "");
  colony.sql("a",
             "BEGIN; UPDATE t SET x = NULL WHERE k = 1; UPDATE t SET x = 'one' WHERE k = 2;"
             "UPDATE t SET x = 'two' WHERE k = 1; COMMIT");
  colony.sql("b", "UPDATE t SET y = 5");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("b", kAll), (Rows{"1|two|5", "2|one|5"}));
  EXPECT_EQ(colony.conflicts("b"), Rows{});
}

TEST(Hazard, delete_vs_update) {
  for (const auto& [first, second] : {std::pair{"a", "b"}, std::pair{"b", "a"}}) {
    SmallColony colony(kTable);
    colony.sql("a", "INSERT INTO t VALUES(1, 'x', 'y')");
    ASSERT_EQ(colony.settle(), "");
    const bool delete_first = first == std::string("a");
    const std::string update = "UPDATE t SET x = 'new'", erase = "DELETE FROM t";
    cross(colony, first, delete_first ? erase : update, second, delete_first ? update : erase);
    EXPECT_EQ(colony.rows("a", kAll), Rows{});
    EXPECT_EQ(colony.conflicts("a"), delete_first ? Rows{R"(update_missing t {"k":1} {"x":"new"})"}
                                                  : Rows{R"(delete_differs t {"k":1} {"k":1,"x":"new","y":"y"})"});
  }
}

TEST(Hazard, delete_vs_insert) {
  // b deletes what it knows, while a deletes it too and puts another row there.
  for (const auto& [first, second] : {std::pair{"a", "b"}, std::pair{"b", "a"}}) {
    SmallColony colony(kTable);
    colony.sql("a", "INSERT INTO t VALUES(1, 'old', 0)");
    ASSERT_EQ(colony.settle(), "");
    const bool insert_first = first == std::string("a");
    const std::string replace = "BEGIN; DELETE FROM t; INSERT INTO t VALUES(1, 'new', 1); COMMIT";
    cross(colony, first, insert_first ? replace : "DELETE FROM t", second, insert_first ? "DELETE FROM t" : replace);
    EXPECT_EQ(colony.rows("a", kAll), Rows{}) << "for Colony it was an update of the row";
    EXPECT_EQ(colony.conflicts("a").size(), 1u);
  }
}

TEST(Hazard, insert_vs_insert) {
  for (const auto& [first, second] : {std::pair{"a", "b"}, std::pair{"b", "a"}}) {
    SmallColony colony(kTable);
    cross(colony, first, "INSERT INTO t VALUES(1, 'first', 1)", second, "INSERT INTO t VALUES(1, 'second', 2)");
    EXPECT_EQ(colony.rows("a", kAll), Rows{"1|second|2"});
    EXPECT_EQ(colony.conflicts("a"), Rows{R"(insert_exists t {"k":1} {"k":1,"x":"first","y":1})"});
  }
}

TEST(Hazard, columns_merge) {
  SmallColony colony(kTable);
  colony.sql("a", "INSERT INTO t VALUES(1, 'x', 'y')");
  ASSERT_EQ(colony.settle(), "");
  cross(colony, "a", "UPDATE t SET x = 'from a'", "b", "UPDATE t SET y = 'from b'");
  EXPECT_EQ(colony.rows("a", kAll), Rows{"1|from a|from b"});
  EXPECT_EQ(colony.conflicts("a"), Rows{});
}

TEST(Hazard, audit_trigger) {
  SmallColony colony(
      "CREATE TABLE t(k INTEGER PRIMARY KEY, x, y);"
      "CREATE TABLE audit(node TEXT, k INTEGER, PRIMARY KEY(node, k));"
      "CREATE TRIGGER audit AFTER INSERT ON t BEGIN INSERT INTO audit VALUES(colony_node(), new.k); END",
      {"a", "b", "c"});
  cross(colony, "a", "INSERT INTO t VALUES(1, 'a', 0), (2, 'a', 0)", "b", "INSERT INTO t VALUES(3, 'b', 0)");
  EXPECT_EQ(colony.rows("c", "SELECT * FROM audit ORDER BY k"), (Rows{"a|1", "a|2", "b|3"}));
}

TEST(Hazard, cascade) {
  SmallColony colony(
      "CREATE TABLE parent(k INTEGER PRIMARY KEY, x);"
      "CREATE TABLE child(k INTEGER PRIMARY KEY, p REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE)");
  colony.sql("a", "INSERT INTO parent VALUES(1, 'x'), (2, 'y'); INSERT INTO child VALUES(10, 1), (20, 2)");
  ASSERT_EQ(colony.settle(), "");
  cross(colony, "a", "DELETE FROM parent WHERE k = 1; UPDATE parent SET k = 3 WHERE k = 2", "b",
        "INSERT INTO child VALUES(11, 1)");
  EXPECT_EQ(colony.rows("b", "SELECT * FROM parent"), Rows{"3|y"});
  EXPECT_EQ(colony.rows("b", "SELECT * FROM child ORDER BY k"), (Rows{"11|1", "20|3"}))
      << "the row that a did not know of stays, and verify reports it";
}

TEST(Hazard, truncate) {
  SmallColony colony(kTable);
  colony.sql("a",
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
             "INSERT INTO t SELECT i, hex(i), i FROM n");
  ASSERT_EQ(colony.settle(), "");
  cross(colony, "a", "DELETE FROM t", "b", "INSERT INTO t VALUES(6000, 'b', 0)");
  EXPECT_EQ(colony.rows("a", kAll), Rows{"6000|b|0"});
}

}  // namespace
}  // namespace colony::sim
