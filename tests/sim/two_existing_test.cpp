// A file with tables and rows of its own comes to a colony that others have begun. Every
// settle() compares rows, journals and what is left over with the reference model.
#include <gtest/gtest.h>

#include "tests/sim/small_colony.h"

namespace colony::sim {
namespace {

using Rows = std::vector<std::string>;

constexpr const char* kTable = "CREATE TABLE t(k INTEGER PRIMARY KEY, x);";
constexpr const char* kUnique = "CREATE TABLE t(k INTEGER PRIMARY KEY, u UNIQUE);";

std::string with(const std::string& tables, const std::string& values) {
  return tables + "INSERT INTO t VALUES" + values + ";";
}

// The colony of `a`, whose file begins with these rows, and its first snapshot.
void begin(SmallColony& colony, const std::string& sql) {
  colony.found("a", sql);
  ASSERT_EQ(colony.settle(), "");
  ASSERT_EQ(colony.snapshot("a"), "");
}

// Whether the log has anything of `node`'s.
bool has_spoken(SmallColony& colony, const std::string& node) {
  for (const Message& message : colony.log().messages()) {
    if (message.origin == node) return true;
  }
  return false;
}

std::string all(SmallColony& colony, const std::string& node) {
  std::string text;
  for (const std::string& row : colony.rows(node, "SELECT * FROM t ORDER BY k")) text += row + " ";
  return text;
}

void expect_all(SmallColony& colony, const std::string& rows, const std::string& nodes = "ab") {
  for (const char node : nodes) EXPECT_EQ(all(colony, std::string(1, node)), rows) << node;
}

// Both loops of `node` stop before it has met the colony.
void expect_waiting(SmallColony& colony, const std::string& node) {
  EXPECT_NE(colony.apply(node).find("was begun by node a"), std::string::npos);
  colony.publish(node);
  EXPECT_FALSE(has_spoken(colony, node));
}

TEST(Hazard, two_existing_files_with_different_rows_are_not_mixed) {
  SmallColony colony("", {});
  begin(colony, with(kTable, "(1, 'a'), (2, 'same'), (3, 'here')"));
  colony.found("b", with(kTable, "(1, 'b'), (2, 'same'), (4, 'there'), (5, 'there')"));
  expect_waiting(colony, "b");
  const std::string why = colony.meet("b");
  EXPECT_NE(why.find("t (1 row missing here, 2 only here, 1 different)"), std::string::npos) << why;
  EXPECT_NE(why.find("--merge"), std::string::npos) << why;
  EXPECT_EQ(all(colony, "b"), "1|b 2|same 4|there 5|there ");
  expect_waiting(colony, "b");
  colony.crash("b");
  ASSERT_EQ(colony.settle(), "");
  expect_all(colony, "1|a 2|same 3|here ", "a");
}

TEST(Hazard, two_existing_files_with_equal_rows_are_a_colony) {
  SmallColony colony("", {});
  begin(colony, with(kTable, "(1, 'same'), (2, 'same')"));
  colony.sql("a", "UPDATE t SET x = 'a' WHERE k = 1; DELETE FROM t WHERE k = 2; INSERT INTO t VALUES(3, 'a')");
  ASSERT_EQ(colony.settle(), "");
  ASSERT_EQ(colony.snapshot("a"), "");  // has gone on from how both began
  colony.sql("a", "INSERT INTO t VALUES(4, 'later')");
  colony.publish("a");
  colony.found("b", with(kTable, "(1, 'same'), (2, 'same')"));
  colony.sql("b", "INSERT INTO t VALUES(9, 'pending')");
  expect_waiting(colony, "b");
  ASSERT_EQ(colony.meet("b"), "");
  ASSERT_EQ(colony.settle(), "");
  expect_all(colony, "1|a 3|a 4|later 9|pending ");
  EXPECT_EQ(colony.conflicts("a"), Rows{});
}

TEST(Hazard, two_existing_files_that_differ_in_what_was_replaced_since_are_a_colony) {
  SmallColony colony("", {});
  begin(colony, with(kTable, "(1, 'a'), (2, 'same')"));
  colony.sql("a", "DELETE FROM t WHERE k = 1");
  ASSERT_EQ(colony.settle(), "");
  ASSERT_EQ(colony.snapshot("a"), "");
  colony.found("b", with(kTable, "(1, 'b'), (2, 'same')"));
  ASSERT_EQ(colony.meet("b"), "");
  ASSERT_EQ(colony.settle(), "");
  expect_all(colony, "2|same ");
}

TEST(Hazard, two_existing_files_of_which_the_second_has_no_rows) {
  SmallColony colony("", {});
  begin(colony, with(kTable, "(1, 'a'), (2, 'a')"));
  colony.found("b", kTable);
  colony.sql("b", "INSERT INTO t VALUES(3, 'b')");  // pending, and no row of before
  expect_waiting(colony, "b");
  ASSERT_EQ(colony.meet("b"), "");
  ASSERT_EQ(colony.settle(), "");
  expect_all(colony, "1|a 2|a 3|b ");
}

TEST(Hazard, two_existing_files_with_other_definitions) {
  for (const char* tables : {"CREATE TABLE t(k INTEGER PRIMARY KEY, x UNIQUE);",
                             "CREATE TABLE t(k INTEGER PRIMARY KEY, x TEXT);", "CREATE TABLE t(k INTEGER PRIMARY KEY);",
                             "CREATE TABLE t(k TEXT PRIMARY KEY, x);", "CREATE TABLE other(k INTEGER PRIMARY KEY);"}) {
    SmallColony colony("", {});
    begin(colony, with(kTable, "(1, 'same')"));
    colony.found("b", tables);
    expect_waiting(colony, "b");
    const std::string why = colony.meet("b");
    EXPECT_NE(why.find("not defined as the colony's: t ("), std::string::npos) << why;
    expect_waiting(colony, "b");
  }
}

TEST(Hazard, two_existing_files_when_the_log_was_cut) {
  for (const bool is_equal : {true, false}) {
    SmallColony colony("", {});
    begin(colony, with(kTable, "(1, 'a')"));
    colony.sql("a", "INSERT INTO t VALUES(2, 'a')");
    ASSERT_EQ(colony.settle(), "");
    ASSERT_EQ(colony.snapshot("a"), "");
    colony.cut_log();
    colony.found("b", with(kTable, is_equal ? "(1, 'a'), (2, 'a')" : "(1, 'a')"));
    EXPECT_NE(colony.apply("b").find("no longer has entries"), std::string::npos);
    const std::string why = colony.meet("b");
    if (is_equal) {
      ASSERT_EQ(why, "");
      ASSERT_EQ(colony.settle(), "");
      expect_all(colony, "1|a 2|a ");
    } else {
      EXPECT_NE(why.find("t (1 row missing here)"), std::string::npos) << why;
      EXPECT_NE(why.find("no longer reaches back"), std::string::npos) << why;
      EXPECT_FALSE(has_spoken(colony, "b"));
    }
  }
}

TEST(Hazard, two_existing_files_are_merged) {
  SmallColony colony("", {});
  begin(colony, with(kUnique, "(1, 'one'), (2, 'same'), (3, 'clash'), (7, 'only a')"));
  colony.found("b", with(kUnique, "(1, 'uno'), (2, 'same'), (4, 'clash'), (8, 'only b')"));
  colony.sql("b", "INSERT INTO t VALUES(9, 'written since')");
  colony.merge("b");
  expect_waiting(colony, "b");
  ASSERT_EQ(colony.meet("b"), "");
  ASSERT_EQ(colony.settle(), "");
  expect_all(colony, "1|uno 2|same 4|clash 7|only a 8|only b 9|written since ");
  EXPECT_EQ(colony.conflicts("a"),
            (Rows{R"(insert_exists t {"k":1} {"k":1,"u":"one"})", R"(displaced t {"k":3} {"k":3,"u":"clash"})"}));
}

TEST(Hazard, two_existing_files_with_equal_rows_are_merged_without_a_conflict) {
  SmallColony colony("", {});
  begin(colony, with(kUnique, "(1, 'one'), (2, 'two'), (3, NULL)"));
  colony.found("b", with(kUnique, "(1, 'one'), (2, 'two'), (3, NULL)"));
  colony.merge("b");
  ASSERT_EQ(colony.meet("b"), "");
  colony.sql("b", "INSERT INTO t VALUES(4, 'after')");  // its number comes after the merge's
  ASSERT_EQ(colony.settle(), "");
  expect_all(colony, "1|one 2|two 3|NULL 4|after ");
  EXPECT_EQ(colony.conflicts("b"), Rows{});
}

TEST(Hazard, two_existing_files_are_merged_in_chunks) {
  const std::string rows =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) "
      "INSERT INTO t SELECT i, hex(zeroblob(5000)) FROM n;";
  SmallColony colony("", {});
  begin(colony, kTable + rows);
  colony.found("b", kTable + rows + "DELETE FROM t WHERE k <= 3; INSERT INTO t VALUES(99, 'b');");
  colony.merge("b");
  const std::string chunks = colony.rows("b", "SELECT count(*) FROM __colony_outbox").front();
  EXPECT_EQ(chunks, "7");
  ASSERT_EQ(colony.meet("b"), "");
  EXPECT_EQ(colony.rows("b", "SELECT max(piece) FROM __colony_outbox WHERE last"), Rows{chunks});
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", "SELECT count(*) FROM t"), Rows{"41"});
  EXPECT_EQ(colony.conflicts("a"), Rows{});
}

// What was left out of the merge must not be missed when the node begins anew.
TEST(Hazard, two_existing_files_are_merged_and_the_sidecar_is_killed_in_between) {
  SmallColony colony("", {});
  begin(colony, with(kTable, "(1, 'a'), (2, 'same')"));
  colony.found("b", with(kTable, "(1, 'b'), (2, 'same'), (3, 'b')"));
  for (int moment = 0; moment < 5; ++moment) {
    if (moment == 1) colony.merge("b");
    if (moment == 2) {
      colony.sql("a", "DELETE FROM t WHERE k = 2");
      ASSERT_EQ(colony.settle().substr(0, 3), "b: ");  // it waits
    }
    if (moment == 3) {
      ASSERT_EQ(colony.meet("b"), "");
    }
    if (moment == 4) colony.publish("b");
    colony.restart("b");
  }
  ASSERT_EQ(colony.settle(), "");
  expect_all(colony, "1|b 3|b ");
}

TEST(Hazard, the_first_file_of_a_colony_may_be_merged_too) {
  SmallColony colony("", {});
  colony.found("a", kTable);  // judged by: nothing
  colony.crash("a");
  colony.found("b", with(kTable, "(1, 'b'), (2, 'b')"));
  colony.merge("b");
  ASSERT_EQ(colony.settle(), "");
  ASSERT_EQ(colony.snapshot("b"), "");
  colony.start("a");
  EXPECT_NE(colony.apply("a").find("was begun by node b"), std::string::npos);
  ASSERT_EQ(colony.meet("a"), "");
  ASSERT_EQ(colony.settle(), "");
  expect_all(colony, "1|b 2|b ");
}

// Both are told that the log is empty, and say hello: the first in the log has begun it.
TEST(Hazard, two_existing_files_begin_a_colony_at_the_same_moment) {
  SmallColony colony("", {});
  colony.found("b", with(kTable, "(1, 'b')"));
  colony.found("a", with(kTable, "(1, 'a')"));
  for (const char* node : {"a", "b"}) ASSERT_EQ(colony.apply(node), "");
  for (const char* node : {"b", "a"}) colony.publish(node);
  ASSERT_EQ(colony.log().messages().size(), 2u);
  EXPECT_NE(colony.apply("a").find("was begun by node b"), std::string::npos);
  ASSERT_EQ(colony.apply("b"), "");
  colony.sql("a", "INSERT INTO t VALUES(2, 'pending')");
  colony.publish("a");
  EXPECT_EQ(colony.log().messages().size(), 2u);  // nothing but its hello
  ASSERT_EQ(colony.snapshot("b"), "");
  EXPECT_NE(colony.meet("a").find("t (1 row different)"), std::string::npos) << colony.meet("a");
  colony.merge("a");
  ASSERT_EQ(colony.meet("a"), "");
  ASSERT_EQ(colony.settle(), "");
  expect_all(colony, "1|a 2|pending ");
}

// What strangers have written before anybody's hello moves the position, and no more.
TEST(Hazard, two_existing_files_in_a_log_that_begins_with_garbage) {
  SmallColony colony("", {});
  colony.log().append("stranger", "garbage");
  colony.found("a", with(kTable, "(1, 'a')"));
  colony.found("b", with(kTable, "(1, 'b')"));
  for (const char* node : {"a", "b"}) ASSERT_EQ(colony.apply(node), "");
  EXPECT_THROW(colony.snapshot("b"), Error);
  colony.publish("a");
  EXPECT_NE(colony.apply("b").find("was begun by node a"), std::string::npos);
  ASSERT_EQ(colony.apply("a"), "");
  ASSERT_EQ(colony.snapshot("a"), "");
  EXPECT_NE(colony.meet("b").find("t (1 row different)"), std::string::npos);
}

}  // namespace
}  // namespace colony::sim
