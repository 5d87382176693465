// Rows of a node change behind Colony's back, and are repaired one way or the other, at
// any moment. Every repair of all tables ends with the question whether the node has what
// the log and its pending transactions say, and every settle() with whether all nodes have.
#include <gtest/gtest.h>

#include "tests/sim/small_colony.h"

namespace colony::sim {
namespace {

using Rows = std::vector<std::string>;
using Way = SmallColony::Way;

constexpr const char* kSchema =
    "CREATE TABLE t(k INTEGER PRIMARY KEY, u UNIQUE, x); "
    "CREATE TABLE w(a TEXT COLLATE NOCASE, b, x, PRIMARY KEY(a, b)) WITHOUT ROWID";
constexpr const char* kRows =
    "INSERT INTO t VALUES(1, 'one', 'x'), (2, 'two', 'x'), (3, 'three', 'x'); INSERT INTO w VALUES('A', 1, 'x')";

// With rows, and a snapshot of another node than b's that some of the log comes after.
void begin(SmallColony& colony) {
  colony.sql("a", kRows);
  ASSERT_EQ(colony.settle(), "");
  ASSERT_EQ(colony.snapshot("a"), "");
  colony.sql("a", "UPDATE t SET x = 'later' WHERE k = 1");
  ASSERT_EQ(colony.settle(), "");
}

TEST(Repair, nothing_differs) {
  SmallColony colony(kSchema);
  begin(colony);
  colony.sql("b", "INSERT INTO t VALUES(4, 'four', 'pending')");
  for (const Way way : {Way::kShow, Way::kKeepMine, Way::kTakeTheirs}) {
    EXPECT_EQ(colony.repair("b", way), "");
    EXPECT_EQ(colony.repaired(), Rows{});
  }
  EXPECT_EQ(colony.rows("b", "SELECT count(*) FROM __colony_outbox"), Rows{"1"});
  ASSERT_EQ(colony.settle(), "");
}

TEST(Repair, rows_are_kept_and_come_to_all_nodes) {
  SmallColony colony(kSchema);
  begin(colony);
  ASSERT_EQ(colony.meddle("b",
                          "UPDATE t SET u = 'zwei' WHERE k = 2; DELETE FROM t WHERE k = 3; "
                          "INSERT INTO t VALUES(9, 'three', 'new'); UPDATE w SET a = 'a'"),
            "");
  EXPECT_EQ(colony.repair("b", Way::kShow), "");
  EXPECT_EQ(colony.repaired(), (Rows{"t 1 1 1", "w 0 0 1"}));
  ASSERT_EQ(colony.repair("b", Way::kKeepMine), "");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", "SELECT * FROM t"), (Rows{"1|one|later", "2|zwei|x", "9|three|new"}));
  EXPECT_EQ(colony.rows("a", "SELECT * FROM w"), Rows{"a|1|x"});
  EXPECT_EQ(colony.conflicts("a"), Rows{});
  EXPECT_EQ(colony.repair("b", Way::kShow), "");
  EXPECT_EQ(colony.repaired(), Rows{});
}

TEST(Repair, the_logs_rows_are_taken_and_what_was_there_is_kept_beside) {
  SmallColony colony(kSchema);
  begin(colony);
  ASSERT_EQ(colony.meddle("b",
                          "UPDATE t SET u = 'zwei' WHERE k = 2; DELETE FROM t WHERE k = 3; "
                          "INSERT INTO t VALUES(9, 'three', 'new'); UPDATE w SET x = x'00'"),
            "");
  ASSERT_EQ(colony.repair("b", Way::kTakeTheirs), "");
  EXPECT_EQ(colony.kept(), (Rows{"t|2|zwei|x", "t|9|three|new", "w|A|1|x'00'"}));
  EXPECT_EQ(colony.rows("b", "SELECT * FROM t"), (Rows{"1|one|later", "2|two|x", "3|three|x"}));
  ASSERT_EQ(colony.settle(), "");
}

TEST(Repair, unique_values_that_have_changed_places) {
  for (const Way way : {Way::kKeepMine, Way::kTakeTheirs}) {
    SmallColony colony(kSchema);
    begin(colony);
    ASSERT_EQ(colony.meddle("b",
                            "UPDATE t SET u = k; UPDATE t SET u = CASE k WHEN 1 THEN 'two' WHEN 2 THEN 'three' "
                            "ELSE 'one' END"),
              "");
    ASSERT_EQ(colony.repair("b", way), "");
    ASSERT_EQ(colony.settle(), "");
    EXPECT_EQ(colony.rows("a", "SELECT u FROM t ORDER BY k"),
              way == Way::kKeepMine ? (Rows{"two", "three", "one"}) : (Rows{"one", "two", "three"}));
  }
}

TEST(Repair, one_table_alone) {
  for (const Way way : {Way::kKeepMine, Way::kTakeTheirs}) {
    SmallColony colony(kSchema);
    begin(colony);
    ASSERT_EQ(colony.meddle("b", "UPDATE t SET x = 'mine' WHERE k = 2; UPDATE w SET x = 'mine'"), "");
    // Its changes of t differ on the right rows from what they were on the wrong ones.
    colony.sql("b", "BEGIN; UPDATE t SET x = 'pending' WHERE k = 2; UPDATE w SET x = 'pending'; COMMIT");
    ASSERT_EQ(colony.repair("b", way, {"t"}), "");
    ASSERT_EQ(colony.meddle("b", "UPDATE t SET x = 'again' WHERE k = 2"), "");
    ASSERT_EQ(colony.repair("b", way), "");
    ASSERT_EQ(colony.settle(), "");
    EXPECT_EQ(colony.rows("a", "SELECT x FROM t WHERE k = 2"), Rows{way == Way::kKeepMine ? "again" : "pending"});
    EXPECT_EQ(colony.rows("a", "SELECT x FROM w"), Rows{"pending"});
  }
}

// Pending transactions were captured on the wrong rows, and displaced others there.
TEST(Repair, pending_transactions_can_be_rebased_afterwards) {
  for (const Way way : {Way::kKeepMine, Way::kTakeTheirs}) {
    SmallColony colony(kSchema);
    begin(colony);
    colony.sql("b", "UPDATE t SET x = 'pending' WHERE k = 2");
    ASSERT_EQ(colony.meddle("b",
                            "DELETE FROM t WHERE k = 2; DELETE FROM t WHERE k = 3; "
                            "INSERT INTO t VALUES(9, 'two', 'x')"),
              "");
    colony.sql("b", "INSERT OR REPLACE INTO t VALUES(4, 'three', 'pending')");  // displaces 3 on the right rows
    colony.sql("a", "UPDATE t SET x = 'theirs'");
    colony.publish("a");
    EXPECT_NE(colony.apply("b").find("behind Colony's back"), std::string::npos);
    ASSERT_EQ(colony.repair("b", way), "");
    EXPECT_EQ(colony.apply("b"), "");  // by itself
    ASSERT_EQ(colony.settle(), "");
    EXPECT_EQ(colony.rows("a", "SELECT k, x FROM t WHERE u IN ('two', 'three') ORDER BY k"),
              way == Way::kKeepMine ? (Rows{"4|pending", "9|x"}) : (Rows{"2|pending", "4|pending"}));
  }
}

// The sidecar runs, and has read what is pending: a row that a pending transaction
// displaces after the repair was not among what that touched before.
TEST(Repair, a_running_sidecar_notices_what_pending_transactions_have_come_to) {
  SmallColony colony(kSchema);
  begin(colony);
  ASSERT_EQ(colony.meddle("b", "DELETE FROM t WHERE k = 3"), "");
  colony.sql("b", "INSERT INTO t VALUES(4, 'three', 'pending')");
  colony.sql("a", "UPDATE t SET x = 'theirs' WHERE k = 1");
  colony.publish("a");
  ASSERT_EQ(colony.apply("b"), "");  // it knows the pending one now
  ASSERT_EQ(colony.repair("b", Way::kTakeTheirs), "");
  colony.sql("a", "UPDATE t SET x = 'theirs' WHERE k = 3");
  colony.publish("a");
  ASSERT_EQ(colony.apply("b"), "");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.conflicts("b"), Rows{"displaced t {\"k\":3} {\"k\":3,\"u\":\"three\",\"x\":\"theirs\"}"});
}

TEST(Repair, a_transaction_of_which_half_is_in_the_log) {
  for (const Way way : {Way::kKeepMine, Way::kTakeTheirs}) {
    SmallColony colony(kSchema);
    begin(colony);
    colony.sql("b",
               "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 30) "
               "INSERT INTO t SELECT 100 + i, 100 + i, zeroblob(10000) FROM n");
    Publisher& publisher = colony.node("b").publisher();
    for (int entries = 0; entries < 2; ++entries) ASSERT_TRUE(publisher.step());
    ASSERT_EQ(colony.apply("b"), "");
    ASSERT_EQ(colony.meddle("b", "UPDATE t SET x = 'mine' WHERE k IN (2, 105)"), "");
    ASSERT_EQ(colony.repair("b", way), "");
    ASSERT_EQ(colony.settle(), "");
    EXPECT_EQ(colony.rows("a", "SELECT x FROM t WHERE k = 2"), Rows{way == Way::kKeepMine ? "mine" : "x"});
  }
}

TEST(Repair, text_index_follows_the_rows_that_are_put_back) {
  SmallColony colony(
      "CREATE TABLE t(k INTEGER PRIMARY KEY, x TEXT); "
      "CREATE VIRTUAL TABLE f USING fts5(x, content = t, content_rowid = k); "
      "CREATE TRIGGER ti AFTER INSERT ON t BEGIN INSERT INTO f(rowid, x) VALUES(new.k, new.x); END; "
      "CREATE TRIGGER td AFTER DELETE ON t BEGIN INSERT INTO f(f, rowid, x) VALUES('delete', old.k, old.x); END; "
      "CREATE TRIGGER tu AFTER UPDATE ON t BEGIN INSERT INTO f(f, rowid, x) VALUES('delete', old.k, old.x); "
      "INSERT INTO f(rowid, x) VALUES(new.k, new.x); END");
  colony.sql("a", "INSERT INTO t VALUES(1, 'one'), (2, 'two'), (3, 'three')");
  ASSERT_EQ(colony.settle(), "");
  ASSERT_EQ(colony.snapshot("a"), "");
  ASSERT_EQ(colony.meddle("b", "UPDATE t SET x = 'zwei' WHERE k = 2; DELETE FROM t WHERE k = 3"), "");
  ASSERT_EQ(colony.repair("b", Way::kTakeTheirs), "");
  EXPECT_EQ(colony.rows("b", "SELECT rowid FROM f WHERE f MATCH 'one OR two OR three OR zwei' ORDER BY 1"),
            (Rows{"1", "2", "3"}));
  EXPECT_EQ(colony.try_sql("b", "INSERT INTO f(f, rank) VALUES('integrity-check', 1)"), "");
  ASSERT_EQ(colony.settle(), "");
}

// Triggers did not run for the rows that were changed.
TEST(Repair, text_index_that_does_not_match_the_rows) {
  SmallColony colony(
      "CREATE TABLE t(k INTEGER PRIMARY KEY, x TEXT); "
      "CREATE VIRTUAL TABLE f USING fts5(x, content = t, content_rowid = k); "
      "CREATE TRIGGER ti AFTER INSERT ON t BEGIN INSERT INTO f(rowid, x) VALUES(new.k, new.x); END; "
      "CREATE TRIGGER td AFTER DELETE ON t BEGIN INSERT INTO f(f, rowid, x) VALUES('delete', old.k, old.x); END");
  colony.sql("a", "INSERT INTO t VALUES(1, 'one'), (2, 'two'), (3, 'three')");
  ASSERT_EQ(colony.settle(), "");
  ASSERT_EQ(colony.snapshot("a"), "");
  ASSERT_EQ(colony.meddle("b", "UPDATE t SET x = 'zwei drei vier' WHERE k = 2; UPDATE t SET x = 'eins' WHERE k = 1"),
            "");
  const std::string refused = colony.repair("b", Way::kTakeTheirs);
  EXPECT_NE(refused.find("VALUES('rebuild')"), std::string::npos) << refused;
  EXPECT_EQ(colony.rows("b", "SELECT x FROM t WHERE k < 3 ORDER BY k"), (Rows{"eins", "zwei drei vier"}));
  colony.sql("b", "INSERT INTO f(f) VALUES('rebuild')");
  ASSERT_EQ(colony.repair("b", Way::kTakeTheirs), "");
  EXPECT_EQ(colony.try_sql("b", "INSERT INTO f(f, rank) VALUES('integrity-check', 1)"), "");
  ASSERT_EQ(colony.settle(), "");
}

TEST(Repair, columns_that_were_added_since_the_snapshot) {
  for (const Way way : {Way::kKeepMine, Way::kTakeTheirs}) {
    SmallColony colony(kSchema);
    begin(colony);
    colony.do_not_judge_rows();
    for (const char* const node : {"a", "b"}) {
      colony.sql(node, "ALTER TABLE w ADD COLUMN more TEXT NOT NULL DEFAULT 'none' COLLATE NOCASE");
    }
    colony.sql("a", "INSERT INTO w VALUES('B', 2, 'x', 'much')");
    ASSERT_EQ(colony.settle(), "");
    ASSERT_EQ(colony.meddle("b", "UPDATE w SET more = 'mine'"), "");
    ASSERT_EQ(colony.repair("b", way, {"t", "w"}), "");
    EXPECT_EQ(colony.repaired(), Rows{"w 0 0 2"});
    ASSERT_EQ(colony.settle(), "");
    EXPECT_EQ(colony.rows("a", "SELECT more FROM w"),
              way == Way::kKeepMine ? (Rows{"mine", "mine"}) : (Rows{"none", "much"}));
  }
}

TEST(Repair, the_app_is_in_a_transaction) {
  SmallColony colony(kSchema);
  begin(colony);
  ASSERT_EQ(colony.meddle("b", "DELETE FROM t WHERE k = 2"), "");
  colony.sql("b", "BEGIN IMMEDIATE; UPDATE t SET x = 'app' WHERE k = 1");
  EXPECT_NE(colony.repair("b", Way::kTakeTheirs), "");
  colony.sql("b", "COMMIT");
  ASSERT_EQ(colony.repair("b", Way::kTakeTheirs), "");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", "SELECT x FROM t WHERE k < 3 ORDER BY k"), (Rows{"app", "x"}));
}

// Statements of apps, or of who gets past them.
std::string random_statement(Random& random) {
  const std::string key = std::to_string(random.below(6)), value = std::to_string(random.below(6));
  switch (random.below(6)) {
    case 0:
      return "INSERT OR REPLACE INTO t VALUES(" + key + ", " + value + ", 'new')";
    case 1:
      return "UPDATE OR REPLACE t SET u = " + value + " WHERE k = " + key;
    case 2:
      return "UPDATE t SET x = " + value + " WHERE k >= " + key;
    case 3:
      return "DELETE FROM t WHERE k = " + key;
    case 4:
      return "INSERT OR REPLACE INTO w VALUES(char(65 + " + key + " % 2 + 32 * (" + value + " % 2)), 1, " + value + ")";
    default:
      return "DELETE FROM w WHERE a = char(65 + " + key + " % 2)";
  }
}

class RandomRepair : public testing::TestWithParam<int> {};

TEST_P(RandomRepair, at_any_moment_it_ends_equal) {
  Random random(static_cast<std::uint64_t>(GetParam()), "repair");
  SmallColony colony(kSchema, {"a", "b", "c"});
  begin(colony);
  const Rows names = {"a", "b", "c"};
  for (int step = 0; step < 60; ++step) {
    const std::string& name = names[random.below(3)];
    switch (random.below(8)) {
      case 0:
      case 1:
      case 2:
        colony.try_sql(name, random_statement(random));
        break;
      case 3:
        colony.publish(name);
        break;
      case 4:
      case 5: {
        const std::string stopped = colony.apply(name);
        if (stopped.empty()) break;
        ASSERT_EQ(name, "b") << stopped;
        ASSERT_NE(stopped.find("behind Colony's back"), std::string::npos) << stopped;
        break;
      }
      case 6:
        colony.meddle("b", random_statement(random));
        break;
      default:
        ASSERT_EQ(colony.repair("b", random.percent(50) ? Way::kKeepMine : Way::kTakeTheirs), "") << step;
        ASSERT_EQ(colony.repair("b", Way::kShow), "");
        ASSERT_EQ(colony.repaired(), Rows{}) << step;
    }
  }
  ASSERT_EQ(colony.repair("b", random.percent(50) ? Way::kKeepMine : Way::kTakeTheirs), "");
  ASSERT_EQ(colony.settle(), "");
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomRepair, testing::Range(0, 16));

}  // namespace
}  // namespace colony::sim
