// The hazard log-forgotten: a broker that loses the end of its log or all of it, and
// a colony that goes on from the node that has absorbed the most.
#include <gtest/gtest.h>

#include "tests/sim/random.h"
#include "tests/sim/small_colony.h"

namespace colony::sim {
namespace {

using Rows = std::vector<std::string>;

constexpr const char* kTable = "CREATE TABLE t(k INTEGER PRIMARY KEY, x)";
constexpr const char* kKeys = "SELECT k FROM t ORDER BY k";
const std::vector<std::string> kNames = {"a", "b", "c"};

// a's row 1 is everywhere, and the log then forgets it.
class LostRow {
 public:
  LostRow() : colony(kTable, kNames), kept(colony.log().last()) {
    colony.sql("a", "INSERT INTO t VALUES(1, 'lost')");
    EXPECT_EQ(colony.settle(), "");
  }
  void lose() {
    colony.lose_after(kept);
    for (const std::string& name : kNames) colony.restart(name);
  }

  SmallColony colony;
  Sequence kept;
};

TEST(Recover, what_the_log_has_lost_is_everywhere_again_and_what_waited_is_sent) {
  LostRow lost;
  lost.lose();
  for (const std::string& name : kNames) {
    EXPECT_NE(lost.colony.apply(name).find("lost its end"), std::string::npos);
    lost.colony.sql(name, "INSERT INTO t VALUES(2" + std::to_string(name[0]) + ", 'pending')");
  }
  ASSERT_EQ(lost.colony.recover("b"), "");
  for (const char* other : {"a", "c"}) {
    EXPECT_NE(lost.colony.apply(other).find("the log is another one"), std::string::npos);
  }
  ASSERT_EQ(lost.colony.follow(), "");
  ASSERT_EQ(lost.colony.settle(), "");
  EXPECT_EQ(lost.colony.rows("c", "SELECT count(*) FROM t"), Rows{"4"});
}

TEST(Recover, log_held_before_a_node_that_has_nothing_to_read_is_noticed) {
  LostRow lost;
  lost.colony.log().hold();
  EXPECT_THROW(lost.colony.node("a").applier().look_again(), Halt);
  EXPECT_NE(lost.colony.apply("a").find("held by colony recover"), std::string::npos);
  lost.colony.sql("a", "INSERT INTO t VALUES(2, 'meanwhile')");
  lost.colony.publish("a");
  lost.colony.log().release();
  ASSERT_EQ(lost.colony.settle(), "");
  EXPECT_EQ(lost.colony.rows("b", kKeys), (Rows{"1", "2"}));
}

TEST(Recover, log_gone_altogether) {
  LostRow lost;
  lost.kept = Sequence();
  lost.lose();
  lost.colony.sql("c", "INSERT INTO t VALUES(2, 'pending')");
  ASSERT_EQ(lost.colony.recover("a"), "");
  ASSERT_EQ(lost.colony.follow(), "");
  ASSERT_EQ(lost.colony.settle(), "");
  EXPECT_EQ(lost.colony.rows("b", kKeys), (Rows{"1", "2"}));
}

TEST(Recover, only_the_node_that_has_the_most_will_do) {
  LostRow lost;
  lost.colony.sql("a", "INSERT INTO t VALUES(2, 'a')");
  lost.colony.publish("a");
  lost.colony.apply("b");  // a itself has not seen it come back
  lost.lose();
  EXPECT_EQ(lost.colony.recover("a"), "elsewhere: b");
  EXPECT_EQ(lost.colony.recover("c"), "elsewhere: b");
  ASSERT_EQ(lost.colony.recover("b"), "");
  ASSERT_EQ(lost.colony.follow(), "");
  EXPECT_EQ(lost.colony.rows("a", "SELECT count(*) FROM __colony_outbox"), Rows{"0"});
  ASSERT_EQ(lost.colony.settle(), "");
  EXPECT_EQ(lost.colony.rows("c", kKeys), (Rows{"1", "2"}));
}

TEST(Recover, fork_is_refused_with_what_each_side_has) {
  LostRow lost;
  lost.colony.crash("c");
  const Sequence kept = lost.colony.log().last();
  lost.colony.sql("a", "INSERT INTO t VALUES(2, 'lost')");
  for (const char* name : {"a", "b"}) lost.colony.publish(name), lost.colony.apply(name);
  lost.colony.lose_after(kept);
  lost.colony.start("c");
  lost.colony.apply("c");
  lost.colony.sql("c", "INSERT INTO t VALUES(3, 'c')");
  lost.colony.publish("c");
  lost.colony.apply("c");
  EXPECT_EQ(lost.colony.recover("a"), "forked: a has 1 of node a, c has 1 of node c");
  EXPECT_EQ(lost.colony.recover("c"), "forked: c has 1 of node c, a has 1 of node a");
  // One side gives way, and keeps what it has.
  for (const char* name : {"a", "b"}) lost.colony.restart(name);
  ASSERT_EQ(lost.colony.recover("b", {"c"}), "");
  EXPECT_NE(lost.colony.install("c").find("only this file has absorbed: 1 of node c"), std::string::npos);
  EXPECT_EQ(lost.colony.rows("c", kKeys), (Rows{"1", "3"}));
  lost.colony.crash("c");
  ASSERT_EQ(lost.colony.follow(), "");
  ASSERT_EQ(lost.colony.settle(), "");
  EXPECT_EQ(lost.colony.rows("a", kKeys), (Rows{"1", "2"}));
}

// The same transactions have come in another order: a fold has an order, so rows differ.
TEST(Recover, what_was_sent_again_in_another_order_is_made_one) {
  SmallColony colony(kTable, kNames);
  colony.sql("a", "INSERT INTO t VALUES(1, 'first')");
  ASSERT_EQ(colony.settle(), "");
  const Sequence kept = colony.log().last();
  colony.sql("a", "UPDATE t SET x = 'a'");
  colony.sql("b", "UPDATE t SET x = 'b'");
  colony.publish("a");
  colony.publish("b");
  colony.apply("c");
  colony.lose_after(kept);
  for (const char* name : {"a", "b"}) colony.restart(name), colony.apply(name);
  colony.publish("b");
  colony.publish("a");
  colony.apply("a");
  colony.apply("b");
  EXPECT_EQ(colony.rows("a", "SELECT x FROM t"), Rows{"a"});
  EXPECT_EQ(colony.rows("c", "SELECT x FROM t"), Rows{"b"});
  colony.restart("c");
  EXPECT_NE(colony.apply("c").find("changed its past"), std::string::npos);
  ASSERT_EQ(colony.recover("c"), "");
  ASSERT_EQ(colony.follow(), "");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", "SELECT x FROM t"), Rows{"b"});
}

TEST(Recover, node_that_was_away_during_two_of_them) {
  LostRow lost;
  lost.colony.crash("c");
  lost.colony.sql("c", "INSERT INTO t VALUES(2, 'pending')");
  lost.lose();
  lost.colony.crash("c");
  EXPECT_EQ(lost.colony.recover("a", {"b", "c"}), "");
  ASSERT_EQ(lost.colony.follow(), "");
  ASSERT_EQ(lost.colony.settle(), "");
  lost.colony.sql("b", "INSERT INTO t VALUES(3, 'between')");
  ASSERT_EQ(lost.colony.settle(), "");
  lost.colony.lose_after(Sequence());
  ASSERT_EQ(lost.colony.recover("b", {"c"}), "");
  ASSERT_EQ(lost.colony.follow(), "");
  lost.colony.start("c");
  ASSERT_EQ(lost.colony.follow(), "");
  ASSERT_EQ(lost.colony.settle(), "");
  EXPECT_EQ(lost.colony.rows("a", kKeys), (Rows{"1", "2", "3"}));
}

TEST(Recover, store_of_the_time_before_a_recovery_is_put_back) {
  LostRow lost;
  ASSERT_EQ(lost.colony.snapshot("b"), "");
  lost.lose();
  ASSERT_EQ(lost.colony.recover("a"), "");
  ASSERT_EQ(lost.colony.follow(), "");
  lost.colony.sql("c", "INSERT INTO t VALUES(2, 'after')");
  ASSERT_EQ(lost.colony.settle(), "");
  lost.colony.lose_after(lost.kept);
  lost.colony.log().replace_epoch("epoch-1");
  for (const std::string& name : kNames) {
    lost.colony.restart(name);
    EXPECT_NE(lost.colony.apply(name).find("one that the colony has left by colony recover"), std::string::npos);
  }
  ASSERT_EQ(lost.colony.recover("c"), "");
  ASSERT_EQ(lost.colony.follow(), "");
  ASSERT_EQ(lost.colony.settle(), "");
  EXPECT_EQ(lost.colony.rows("a", kKeys), (Rows{"1", "2"}));
}

TEST(Recover, log_of_strangers_is_not_taken) {
  LostRow lost;
  ASSERT_EQ(lost.colony.snapshot("a"), "");
  lost.colony.node("b").observer().execute("UPDATE __colony_meta SET value = 'elsewhere' WHERE key = 'epoch'");
  EXPECT_NE(lost.colony.install("b").find("another colony's"), std::string::npos);
}

TEST(Recover, half_of_a_large_transaction_goes_on) {
  SmallColony colony(kTable, kNames);
  colony.log().set_entry_bytes_max(64 << 10);
  colony.sql("a",
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) "
             "INSERT INTO t SELECT i, hex(randomblob(10000)) FROM n");
  colony.restart("a");
  colony.apply("a");
  colony.node("a").publisher().step();
  for (const char* name : {"a", "b"}) colony.apply(name);
  EXPECT_NE(colony.rows("b", "SELECT count(*) FROM __colony_parts"), Rows{"0"});
  colony.lose_after(Sequence());
  ASSERT_EQ(colony.recover("b"), "");
  for (const std::string& name : kNames) colony.restart(name);
  ASSERT_EQ(colony.follow(), "");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("c", "SELECT count(*) FROM t"), Rows{"20"});
}

// Losses, recoveries and crashes at random. Every transaction inserts a row of its
// own, so that each can be accounted for.
class RandomLosses {
 public:
  explicit RandomLosses(std::uint64_t seed)
      : random_(seed),
        colony_("CREATE TABLE t(k INTEGER PRIMARY KEY, x); CREATE TABLE u(k INTEGER PRIMARY KEY, x)", kNames) {}

  void run() {
    for (int round = 0; round < 4; ++round) {
      for (int i = 0; i < 25; ++i) step();
      forget();
      if (!recover()) return;  // forked: refused, and nothing has changed
    }
    ASSERT_EQ(colony_.settle(), "");
    for (const std::string& name : kNames) {
      EXPECT_EQ(colony_.rows(name, "SELECT count(*) FROM t"), Rows{std::to_string(committed_)});
    }
  }
  bool forked() const { return forked_; }

 private:
  const std::string& any() { return kNames[random_.below(kNames.size())]; }

  void step() {
    const std::string& name = any();
    switch (random_.below(5)) {
      case 0:
      case 1:
        ++committed_;
        return colony_.sql(name, "BEGIN; INSERT INTO t VALUES(" + std::to_string(committed_) + ", '" + name +
                                     "'); INSERT OR REPLACE INTO u VALUES(" + std::to_string(random_.below(5)) + ", " +
                                     std::to_string(committed_) + "); COMMIT");
      case 2:
        colony_.publish(name);
        return;
      case 3:
        colony_.apply(name);
        return;
      default:
        if (random_.below(3) == 0) colony_.restart(name);
    }
  }

  // Somebody may go on with what is left before it is noticed.
  void forget() {
    const std::uint64_t last = colony_.log().last().value(), first = colony_.log().info().first.value();
    colony_.lose_after(Sequence(first - 1 + random_.below(last - first + 2)));
    for (const std::string& name : kNames) colony_.restart(name);
    for (std::uint64_t i = random_.below(4); i > 0; --i) step();
  }

  bool recover() {
    std::string why = colony_.recover(any());
    if (why.starts_with("elsewhere: ")) {
      const std::string best = why.substr(why.find(' ') + 1);
      colony_.restart(best);
      why = colony_.recover(best);
    }
    forked_ = why.starts_with("forked: ");
    if (forked_) return false;
    EXPECT_EQ(why, "");
    for (const std::string& name : kNames) {
      if (random_.below(2) == 0) colony_.restart(name);
    }
    EXPECT_EQ(colony_.follow(), "");
    return why.empty();
  }

  Random random_;
  SmallColony colony_;
  std::uint64_t committed_ = 0;
  bool forked_ = false;
};

TEST(Recover, losses_and_crashes_at_random_lose_nothing) {
  int refused = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomLosses losses(seed);
    losses.run();
    refused += losses.forked();
    if (HasFailure()) return;
  }
  EXPECT_LT(refused, 10) << "too few are recovered for this to say much";
}

}  // namespace
}  // namespace colony::sim
