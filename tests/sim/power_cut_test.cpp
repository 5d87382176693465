// The hazard power-cut: a machine loses what it has not flushed to disk. What it has
// told the others it must know afterwards; what a program with synchronous=FULL was
// told is committed must be there.
#include <gtest/gtest.h>

#include "tests/sim/small_colony.h"

namespace colony::sim {
namespace {

using Rows = std::vector<std::string>;

constexpr const char* kSchema = "CREATE TABLE t(k INTEGER PRIMARY KEY, v)";

TEST(Hazard, power_cut_takes_back_nothing_that_the_log_has) {
  SmallColony colony(kSchema, {"a", "b"}, PowerDisks{"NORMAL"});
  colony.sql("a", "INSERT INTO t VALUES(1, 'sent')");
  EXPECT_EQ(colony.publish("a"), "");
  colony.lose_power("a");
  EXPECT_EQ(colony.rows("a", "SELECT v FROM t"), Rows{"sent"});
  colony.sql("a", "INSERT INTO t VALUES(2, 'later')");
  EXPECT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("b", "SELECT k, v FROM t ORDER BY k"), (Rows{"1|sent", "2|later"}));
}

// What the flush is for, and what who does without it is told.
TEST(Hazard, power_cut_without_a_flush_gives_a_number_twice) {
  SmallColony colony(kSchema, {"a", "b"}, PowerDisks{"NORMAL", false});
  colony.sql("a", "INSERT INTO t VALUES(1, 'sent')");
  EXPECT_EQ(colony.publish("a"), "");
  colony.lose_power("a");
  EXPECT_EQ(colony.rows("a", "SELECT v FROM t"), Rows{});
  colony.sql("a", "INSERT INTO t VALUES(2, 'later')");
  EXPECT_NE(colony.settle().find("colony init DB --cluster sim --node NEW --keep-pending"), std::string::npos);
}

// Until the program writes, what was taken back comes back by itself.
TEST(Hazard, power_cut_without_a_flush_is_mended_by_the_log) {
  SmallColony colony(kSchema, {"a", "b"}, PowerDisks{"NORMAL", false});
  colony.sql("a", "INSERT INTO t VALUES(1, 'sent')");
  EXPECT_EQ(colony.publish("a"), "");
  colony.lose_power("a");
  EXPECT_EQ(colony.settle(), "");
  colony.sql("a", "INSERT INTO t VALUES(2, 'later')");
  EXPECT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("b", "SELECT k, v FROM t ORDER BY k"), (Rows{"1|sent", "2|later"}));
}

// The applier flushes nothing: its position goes back, and what had left the outbox is
// there again, and in the log.
TEST(Hazard, power_cut_takes_back_what_was_absorbed) {
  SmallColony colony(kSchema, {"a", "b"}, PowerDisks{"NORMAL"});
  colony.sql("a", "INSERT INTO t VALUES(1, 'mine')");
  colony.sql("b", "INSERT INTO t VALUES(2, 'theirs')");
  EXPECT_EQ(colony.publish("a"), "");
  EXPECT_EQ(colony.publish("b"), "");
  EXPECT_EQ(colony.apply("a"), "");
  const Sequence position = colony.node("a").applier().position();
  EXPECT_EQ(colony.rows("a", "SELECT count(*) FROM __colony_outbox"), Rows{"0"});
  colony.lose_power("a");
  EXPECT_EQ(colony.rows("a", "SELECT count(*) FROM __colony_outbox"), Rows{"1"});
  EXPECT_LT(colony.node("a").applier().position(), position);
  EXPECT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", "SELECT k, v FROM t ORDER BY k"), (Rows{"1|mine", "2|theirs"}));
}

// A hello speaks for an identity, and a leave ends one.
TEST(Hazard, power_cut_takes_back_no_identity_that_the_log_has) {
  SmallColony colony(kSchema, {"a", "b"}, PowerDisks{"NORMAL"});
  colony.leave("a", "b");
  EXPECT_EQ(colony.apply("a"), "");
  EXPECT_NE(colony.apply("b"), "");
  colony.node("b").observer().execute("PRAGMA synchronous = NORMAL");
  colony.rename("b", "c");
  EXPECT_EQ(colony.apply("b"), "");
  EXPECT_EQ(colony.publish("b"), "");
  colony.lose_power("b");
  EXPECT_EQ(colony.rows("b", "SELECT value FROM __colony_meta WHERE key = 'node'"), Rows{"c"});
  colony.sql("b", "INSERT INTO t VALUES(1, 'of c')");
  EXPECT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", "SELECT k, v FROM t"), Rows{"1|of c"});
}

// The log is cut behind a snapshot that is ahead of what its maker's file has then.
TEST(Hazard, power_cut_behind_a_snapshot_and_the_cut_of_the_log) {
  SmallColony colony(kSchema, {"a", "b"}, PowerDisks{"NORMAL"});
  for (int k = 1; k <= 5; ++k) {
    colony.sql("b", "INSERT INTO t VALUES(" + std::to_string(k) + ", 'x')");
    EXPECT_EQ(colony.publish("b"), "");
  }
  EXPECT_EQ(colony.apply("a"), "");
  EXPECT_EQ(colony.apply("b"), "");
  EXPECT_EQ(colony.snapshot("a"), "");
  colony.cut_log();
  colony.lose_power("a");
  colony.sql("a", "INSERT INTO t VALUES(9, 'later')");
  EXPECT_NE(colony.apply("a").find("no longer has entries"), std::string::npos);
  EXPECT_EQ(colony.install("a"), "");
  EXPECT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", "SELECT count(*) FROM t"), Rows{"6"});
}

// So does an installed snapshot.
TEST(Hazard, power_cut_takes_back_a_snapshot_install) {
  SmallColony colony(kSchema, {"a", "b"}, PowerDisks{"NORMAL"});
  colony.sql("b", "INSERT INTO t VALUES(1, 'x')");
  colony.sql("a", "INSERT INTO t VALUES(2, 'pending')");
  EXPECT_EQ(colony.publish("b"), "");
  EXPECT_EQ(colony.apply("b"), "");
  EXPECT_EQ(colony.snapshot("b"), "");
  colony.cut_log();
  EXPECT_EQ(colony.install("a"), "");
  colony.lose_power("a");
  EXPECT_NE(colony.apply("a").find("no longer has entries"), std::string::npos);
  EXPECT_EQ(colony.install("a"), "");
  EXPECT_EQ(colony.settle(), "");
}

// The log of before stands in the database alone; OFF copies it there without a flush.
TEST(Hazard, power_cut_with_synchronous_off_after_a_checkpoint) {
  SmallColony colony(kSchema, {"a", "b"}, PowerDisks{"OFF"});
  colony.sql("a", "INSERT INTO t VALUES(1, 'sent'); PRAGMA wal_checkpoint(RESTART); INSERT INTO t VALUES(2, 'too')");
  EXPECT_EQ(colony.publish("a"), "");
  colony.lose_power("a");
  EXPECT_EQ(colony.rows("a", "SELECT k, v FROM t ORDER BY k"), (Rows{"1|sent", "2|too"}));
  EXPECT_EQ(colony.settle(), "");
}

TEST(Hazard, power_cut_takes_back_nothing_that_was_committed_with_full) {
  SmallColony colony(kSchema, {"a", "b"}, PowerDisks{"FULL"});
  colony.sql("a", "INSERT INTO t VALUES(1, 'committed')");
  colony.lose_power("a");
  EXPECT_EQ(colony.rows("a", "SELECT v FROM t"), Rows{"committed"});
  EXPECT_EQ(colony.settle(), "");
}

// Torn and in any order, again and again, on both sides.
TEST(Hazard, power_cut_again_and_again) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Random random(seed, "power-cut");
    SmallColony colony(kSchema, {"a", "b"}, PowerDisks{random.percent(50) ? "NORMAL" : "FULL"});
    for (int step = 0; step < 60; ++step) {
      const std::string node = random.percent(50) ? "a" : "b";
      switch (random.below(5)) {
        case 0:
        case 1:
          colony.sql(node, "INSERT OR REPLACE INTO t VALUES(" + std::to_string(random.below(9)) + ", " +
                               std::to_string(step) + ")");
          break;
        case 2:
          ASSERT_EQ(colony.publish(node), "") << seed;
          break;
        case 3:
          ASSERT_EQ(colony.apply(node), "") << seed;
          break;
        default:
          if (random.percent(30)) colony.sql(node, "PRAGMA wal_checkpoint(TRUNCATE)");
          if (random.percent(40)) colony.lose_power(node, &random);
      }
    }
    ASSERT_EQ(colony.settle(), "") << seed;
  }
}

// One flush for all that waits, none for what is flushed already.
TEST(PublisherFlush, comes_once_for_all_that_waits) {
  SmallColony colony(kSchema, {"a", "b"}, PowerDisks{"NORMAL"});
  PowerDisk& disk = colony.node("a").disk();
  for (int k = 1; k <= 20; ++k) {
    colony.sql("a", "INSERT INTO t VALUES(" + std::to_string(k) + ", randomblob(50000))");
  }
  const std::uint64_t before = disk.flushes_of("a.db-wal"), entries = colony.log().last().value();
  EXPECT_EQ(colony.publish("a"), "");
  EXPECT_GE(colony.log().last().value(), entries + 10);
  EXPECT_EQ(disk.flushes_of("a.db-wal"), before + 1);
}

TEST(PublisherFlush, does_not_come_again_for_what_is_sent_again) {
  SmallColony colony(kSchema, {"a", "b"}, PowerDisks{"NORMAL"});
  PowerDisk& disk = colony.node("a").disk();
  Faults unanswered;
  unanswered.publish_fails_before = 1000;
  colony.set_faults("a", unanswered);
  colony.sql("a", "INSERT INTO t VALUES(1, 'x')");
  EXPECT_NE(colony.publish("a"), "");
  const std::uint64_t after_first = disk.flushes_of("a.db-wal");
  for (int i = 0; i < 5; ++i) EXPECT_NE(colony.publish("a"), "");
  EXPECT_EQ(disk.flushes_of("a.db-wal"), after_first);
}

TEST(PublisherFlush, does_not_come_after_a_commit_that_has_flushed) {
  SmallColony colony(kSchema, {"a", "b"}, PowerDisks{"FULL"});
  PowerDisk& disk = colony.node("a").disk();
  colony.sql("a", "PRAGMA synchronous = NORMAL; INSERT INTO t VALUES(1, 'x'); PRAGMA synchronous = FULL");
  colony.sql("a", "INSERT INTO t VALUES(2, 'x')");
  const std::uint64_t before = disk.flushes_of("a.db-wal");
  EXPECT_EQ(colony.publish("a"), "");
  EXPECT_EQ(disk.flushes_of("a.db-wal"), before);
  colony.lose_power("a");
  EXPECT_EQ(colony.rows("a", "SELECT k FROM t ORDER BY k"), (Rows{"1", "2"}));
  colony.sql("a", "PRAGMA synchronous = NORMAL; INSERT INTO t VALUES(3, 'x')");
  EXPECT_EQ(colony.apply("a"), "");
  EXPECT_EQ(colony.publish("a"), "");
  colony.lose_power("a");
  EXPECT_EQ(colony.rows("a", "SELECT k FROM t ORDER BY k"), (Rows{"1", "2", "3"}));
  EXPECT_EQ(colony.settle(), "");
}

TEST(PublisherFlush, fails_and_nothing_is_sent) {
  SmallColony colony(kSchema, {"a", "b"}, PowerDisks{"NORMAL"});
  colony.sql("a", "INSERT INTO t VALUES(1, 'x')");
  const Sequence end = colony.log().last();
  colony.node("a").disk().fail_flushes_of("a.db-wal", 1);
  EXPECT_NE(colony.publish("a").find("cannot be flushed to disk"), std::string::npos);
  EXPECT_EQ(colony.log().last(), end);
  EXPECT_EQ(colony.settle(), "");
  EXPECT_GT(colony.log().last(), end);
}

TEST(PublisherFlush, does_not_come_where_it_is_not_wanted) {
  SmallColony colony(kSchema, {"a", "b"}, PowerDisks{"NORMAL", false});
  const std::uint64_t before = colony.node("a").disk().flushes_of("a.db-wal");
  colony.sql("a", "INSERT INTO t VALUES(1, 'x')");
  EXPECT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.node("a").disk().flushes_of("a.db-wal"), before);
}

}  // namespace
}  // namespace colony::sim
