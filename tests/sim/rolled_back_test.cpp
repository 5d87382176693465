// The hazard rolled-back: what was undone is not shipped, what was displaced is.
// Each test ends with the rows of the other node.
#include <gtest/gtest.h>

#include "tests/sim/small_colony.h"

namespace colony::sim {
namespace {

using Rows = std::vector<std::string>;

class OneWriter {
 public:
  OneWriter() : colony_("CREATE TABLE t(k INTEGER PRIMARY KEY, x UNIQUE, y CHECK(y < 10))") {
    colony_.sql("a", "INSERT INTO t VALUES(1, 'one', 1), (2, 'two', 2)");
    EXPECT_EQ(colony_.settle(), "");
  }

  // What b has after a did this; the statement may fail.
  Rows shipped(const std::string& sql) {
    colony_.try_sql("a", sql);
    if (colony_.node("a").app_in_transaction()) colony_.sql("a", "COMMIT");
    EXPECT_EQ(colony_.settle(), "");
    return colony_.rows("b", "SELECT * FROM t ORDER BY k");
  }

  SmallColony& colony() { return colony_; }

 private:
  SmallColony colony_;
};

const Rows kBefore = {"1|one|1", "2|two|2"};

TEST(Hazard, rolled_back) {
  OneWriter a;
  EXPECT_EQ(a.shipped("BEGIN; DELETE FROM t; ROLLBACK"), kBefore);
}

TEST(Hazard, rolled_back_to_a_savepoint) {
  OneWriter a;
  EXPECT_EQ(a.shipped("BEGIN; UPDATE t SET y = 5 WHERE k = 1; SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; RELEASE s;"
                      "INSERT INTO t VALUES(3, 'three', 3); COMMIT"),
            (Rows{"1|one|5", "2|two|2", "3|three|3"}));
}

TEST(Hazard, rolled_back_statement_that_fails_half_way) {
  OneWriter a;
  EXPECT_EQ(a.shipped("BEGIN; INSERT INTO t VALUES(3, 'three', 3); INSERT INTO t VALUES(4, 'four', 4), (5, 'one', 5)"),
            (Rows{"1|one|1", "2|two|2", "3|three|3"}));
}

TEST(Hazard, rolled_back_or_ignore) {
  OneWriter a;
  EXPECT_EQ(a.shipped("INSERT OR IGNORE INTO t VALUES(3, 'one', 3), (4, 'four', 4), (5, 'five', 50)"),
            (Rows{"1|one|1", "2|two|2", "4|four|4"}));
}

TEST(Hazard, rolled_back_or_fail) {
  OneWriter a;
  EXPECT_EQ(a.shipped("INSERT OR FAIL INTO t VALUES(3, 'three', 3), (4, 'one', 4), (5, 'five', 5)"),
            (Rows{"1|one|1", "2|two|2", "3|three|3"}));
}

TEST(Hazard, rolled_back_or_abort) {
  OneWriter a;
  EXPECT_EQ(a.shipped("INSERT OR ABORT INTO t VALUES(3, 'three', 3), (4, 'one', 4)"), kBefore);
}

TEST(Hazard, rolled_back_or_rollback) {
  OneWriter a;
  EXPECT_EQ(a.shipped("BEGIN; DELETE FROM t WHERE k = 2; INSERT OR ROLLBACK INTO t VALUES(4, 'one', 4)"), kBefore);
}

TEST(Hazard, rolled_back_or_replace) {
  OneWriter a;
  EXPECT_EQ(a.shipped("INSERT OR REPLACE INTO t VALUES(1, 'two', 3)"), Rows{"1|two|3"});
}

TEST(Hazard, rolled_back_update_or_replace) {
  OneWriter a;
  EXPECT_EQ(a.shipped("UPDATE OR REPLACE t SET x = 'two' WHERE k = 1"), Rows{"1|two|1"});
}

TEST(Hazard, rolled_back_upsert) {
  OneWriter a;
  EXPECT_EQ(a.shipped("INSERT INTO t VALUES(9, 'one', 7), (3, 'three', 3) ON CONFLICT(x) DO UPDATE SET y = excluded.y"),
            (Rows{"1|one|7", "2|two|2", "3|three|3"}));
  EXPECT_EQ(a.shipped("INSERT INTO t VALUES(9, 'one', 8) ON CONFLICT DO NOTHING"),
            (Rows{"1|one|7", "2|two|2", "3|three|3"}));
}

TEST(Hazard, rolled_back_returning) {
  OneWriter a;
  EXPECT_EQ(a.shipped("DELETE FROM t WHERE k = 1 RETURNING *; INSERT INTO t VALUES(3, 'three', 3) RETURNING k"),
            (Rows{"2|two|2", "3|three|3"}));
}

TEST(Hazard, rolled_back_by_a_crash_of_the_app) {
  OneWriter a;
  a.colony().sql("a", "BEGIN; DELETE FROM t");
  a.colony().node("a").reopen_app();
  EXPECT_EQ(a.shipped("INSERT INTO t VALUES(3, 'three', 3)"), (Rows{"1|one|1", "2|two|2", "3|three|3"}));
}

TEST(Hazard, rolled_back_after_a_commit_that_met_a_reader) {
  OneWriter a;
  a.colony().node("a").begin_reading();
  a.colony().sql("a", "BEGIN; DELETE FROM t WHERE k = 1; SAVEPOINT s; UPDATE t SET y = 9");
  EXPECT_NE(a.colony().try_sql("a", "COMMIT"), "");
  a.colony().node("a").end_reading();
  a.colony().sql("a", "ROLLBACK TO s");
  EXPECT_EQ(a.shipped("UPDATE t SET y = 7"), Rows{"2|two|7"});
}

}  // namespace
}  // namespace colony::sim
