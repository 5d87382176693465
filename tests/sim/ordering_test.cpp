// The hazards of ordering and progress, one test each.
#include <gtest/gtest.h>

#include "replicator/log/entry.h"
#include "tests/sim/small_colony.h"

namespace colony::sim {
namespace {

using Rows = std::vector<std::string>;
using testing::Test;

constexpr const char* kTable = "CREATE TABLE t(k INTEGER PRIMARY KEY, x)";
constexpr const char* kAll = "SELECT k, x FROM t ORDER BY k";

// How often a node's transactions stand in the log, counting repetitions.
std::size_t entries_of(SmallColony& colony, const std::string& node) {
  std::size_t count = 0;
  for (const Message& message : colony.log().messages()) {
    const auto entry = decode(message.data, message.origin);
    count += entry && entry->origin == node && std::holds_alternative<TransactionsEntry>(entry->body);
  }
  return count;
}

Faults always(unsigned Faults::*fault) {
  Faults faults;
  faults.*fault = 1000;
  return faults;
}

TEST(Hazard, crossed_writes) {
  SmallColony colony(kTable);
  colony.sql("a", "INSERT INTO t VALUES(1, 0)");
  ASSERT_EQ(colony.settle(), "");
  colony.sql("a", "UPDATE t SET x = 1");
  colony.sql("b", "UPDATE t SET x = 2");
  colony.publish("a");
  colony.publish("b");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", kAll), Rows{"1|2"});
}

TEST(Hazard, crossed_writes_of_one_who_runs_ahead) {
  SmallColony colony(kTable);
  colony.sql("a", "INSERT INTO t VALUES(1, 0)");
  ASSERT_EQ(colony.settle(), "");
  for (int i = 0; i < 3; ++i) {
    colony.sql("a", "UPDATE t SET x = x + 1");
    colony.publish("a");
  }
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", kAll), Rows{"1|3"});
  EXPECT_EQ(colony.rows("b", kAll), Rows{"1|3"});
}

TEST(Hazard, ack_is_not_position) {
  SmallColony colony(kTable);
  colony.sql("b", "INSERT INTO t VALUES(2, 'b')");
  colony.publish("b");
  colony.sql("a", "INSERT INTO t VALUES(1, 'a')");
  const Sequence before = colony.node("a").applier().position();
  EXPECT_EQ(colony.publish("a"), "");
  EXPECT_EQ(colony.node("a").applier().position(), before);
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", kAll), (Rows{"1|a", "2|b"}));
}

TEST(Hazard, restart_after_ack) {
  SmallColony colony(kTable);
  colony.sql("b", "INSERT INTO t VALUES(2, 'b')");
  colony.publish("b");
  colony.sql("a", "INSERT INTO t VALUES(1, 'a')");
  colony.publish("a");
  colony.restart("a");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(entries_of(colony, "a"), 1u);
  EXPECT_EQ(colony.rows("a", kAll), (Rows{"1|a", "2|b"}));
}

TEST(Hazard, publish_failed) {
  SmallColony colony(kTable);
  for (const auto fault : {&Faults::publish_fails_before, &Faults::publish_refused, &Faults::publish_vanishes}) {
    colony.sql("a", "INSERT INTO t VALUES((SELECT count(*) FROM t), 'a')");
    colony.set_faults("a", always(fault));
    colony.publish("a");
    EXPECT_EQ(colony.rows("a", "SELECT count(*) FROM __colony_outbox"), Rows{"1"});
    ASSERT_EQ(colony.settle(), "");
  }
  EXPECT_EQ(colony.rows("b", kAll), (Rows{"0|a", "1|a", "2|a"}));
}

TEST(Hazard, publish_failed_and_yet_succeeded) {
  SmallColony colony(kTable);
  colony.sql("a", "INSERT INTO t VALUES(1, 0)");
  colony.sql("b", "UPDATE t SET x = 5");
  colony.set_faults("a", always(&Faults::publish_fails_after));
  EXPECT_NE(colony.publish("a"), "");
  ASSERT_EQ(colony.settle(), "");
  colony.sql("b", "DELETE FROM t");
  ASSERT_EQ(colony.settle(), "");
  colony.wait(std::chrono::minutes(10));
  const Message first = colony.log().messages()[2];
  ASSERT_EQ(first.origin, "a");
  colony.log().append(first.origin, first.data);  // the retry, very late
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", kAll), Rows{});
}

TEST(Hazard, retry_reorder) {
  SmallColony colony(kTable);
  colony.set_faults("a", always(&Faults::publish_vanishes));
  colony.sql("a", "INSERT INTO t VALUES(1, 'first')");
  colony.publish("a");
  colony.set_faults("a", {});
  colony.sql("a", "UPDATE t SET x = 'second'");
  colony.publish("a");  // the second alone reaches the log
  colony.apply("b");
  EXPECT_EQ(colony.rows("b", kAll), Rows{});
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("b", kAll), Rows{"1|second"});
}

TEST(Hazard, retry_reorder_by_the_network) {
  SmallColony colony(kTable);
  colony.sql("a", "INSERT INTO t VALUES(1, 'first')");
  colony.set_faults("a", always(&Faults::publish_delayed));
  colony.publish("a");
  colony.set_faults("a", {});
  colony.sql("a", "UPDATE t SET x = 'second'");
  colony.publish("a");
  colony.deliver();
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("b", kAll), Rows{"1|second"});
}

TEST(Hazard, false_acceptance) {
  SmallColony colony(kTable, {"a", "b", "c"});
  colony.sql("a", "INSERT INTO t VALUES(1, 1)");
  colony.publish("a");
  const Message first = colony.log().messages().back();
  colony.sql("b", "DELETE FROM t");
  for (int i = 0; i < 5; ++i) {
    colony.sql("a", "UPDATE t SET x = x + 1");
    colony.publish("a");
    colony.log().append(first.origin, first.data);
    colony.log().append(first.origin, colony.log().messages().back().data);
  }
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("c", kAll), Rows{"1|6"});
}

TEST(Hazard, reply_injection) {
  SmallColony colony(kTable);
  colony.sql("a", "INSERT INTO t VALUES(1, 'a')");
  ASSERT_EQ(colony.settle(), "");
  const std::string entry = colony.log().messages().back().data;
  colony.log().append("b", entry);                     // a's bytes under b's subject
  colony.log().append("b", "NATS/1.0 404 Not Found");  // the reply of a direct get
  colony.log().append("b", "");
  colony.log().append("mallory", entry);
  TransactionsEntry forged;
  forged.first = ChunkNumber(1);
  forged.chunks.push_back({true, 0, "T"});
  colony.log().append("b", encode("b", Incarnation(666), forged));
  ASSERT_EQ(colony.settle(), "");
  colony.sql("b", "INSERT INTO t VALUES(2, 'b')");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", kAll), (Rows{"1|a", "2|b"}));
}

TEST(Hazard, start_elsewhere) {
  SmallColony colony(kTable);
  colony.crash("b");
  for (int i = 0; i < 5; ++i) {
    colony.sql("a", "INSERT INTO t VALUES(" + std::to_string(i) + ", 'a')");
    colony.publish("a");
  }
  colony.log().purge_before(colony.log().last());
  colony.start("b");
  EXPECT_NE(colony.apply("b").find("no longer has entries"), std::string::npos) << colony.apply("b");
  EXPECT_EQ(colony.rows("b", kAll), Rows{});
}

TEST(Hazard, gap_while_running) {
  SmallColony colony(kTable);
  for (int i = 0; i < 5; ++i) {
    colony.sql("a", "INSERT INTO t VALUES(" + std::to_string(i) + ", 'a')");
    colony.publish("a");
    colony.apply("a");
  }
  colony.log().purge_before(colony.log().last());  // no reconnect, no restart
  EXPECT_NE(colony.apply("b").find("gap"), std::string::npos) << colony.apply("b");
  EXPECT_EQ(colony.rows("b", kAll), Rows{});
  EXPECT_EQ(colony.apply("a"), "") << "a has absorbed its own up to there";
}

TEST(Hazard, log_rewound) {
  SmallColony colony(kTable);
  const Sequence kept = colony.log().last();
  colony.sql("a", "INSERT INTO t VALUES(1, 'lost')");
  ASSERT_EQ(colony.settle(), "");
  colony.log().lose_after(kept);
  colony.restart("a");
  EXPECT_NE(colony.apply("a").find("lost its end"), std::string::npos) << colony.apply("a");
}

TEST(Hazard, log_rewound_and_its_numbers_given_to_others) {
  SmallColony colony(kTable, {"a", "b", "c"});
  colony.crash("c");
  const Sequence kept = colony.log().last();
  colony.sql("a", "INSERT INTO t VALUES(1, 'lost')");
  ASSERT_EQ(colony.settle(), "");
  colony.crash("a");
  colony.crash("b");
  colony.log().lose_after(kept);
  colony.start("c");
  colony.sql("c", "INSERT INTO t VALUES(3, 'c')");
  ASSERT_EQ(colony.apply("c"), "");
  ASSERT_EQ(colony.publish("c"), "");
  ASSERT_EQ(colony.log().last(), kept.next());
  for (const char* node : {"a", "b"}) {
    colony.start(node);
    EXPECT_NE(colony.apply(node).find("changed its past"), std::string::npos) << colony.apply(node);
    EXPECT_EQ(colony.rows(node, kAll), Rows{"1|lost"});
  }
}

TEST(Hazard, log_rewound_is_another_log) {
  SmallColony colony(kTable);
  colony.log().replace_epoch("epoch-2");
  colony.restart("a");
  EXPECT_NE(colony.apply("a").find("the log is another one"), std::string::npos) << colony.apply("a");
}

TEST(Hazard, poison) {
  SmallColony colony(kTable, {"a", "b", "c"});
  colony.sql("a", "INSERT INTO t VALUES(1, 'before')");
  ASSERT_EQ(colony.settle(), "");
  TransactionsEntry poison;
  poison.first = ChunkNumber(1);
  poison.chunks.push_back({true, 0, std::string_view("T\x02\x01\0t\0\x12", 7)});  // an insert that ends at once
  colony.log().append("b", encode("b", Incarnation(101), poison));
  for (const char* node : {"a", "c"}) {
    const std::string why = colony.apply(node);
    EXPECT_NE(why.find("cannot be applied"), std::string::npos) << why;
    EXPECT_EQ(colony.apply(node), why) << "it stays where it is";
    EXPECT_EQ(colony.rows(node, kAll), Rows{"1|before"});
    EXPECT_EQ(colony.node(node).applier().position().next(), colony.log().last());
  }
}

TEST(Hazard, poison_is_no_reason_to_keep_back_what_came_before) {
  SmallColony colony(kTable, {"a", "b", "c"});
  colony.sql("a", "INSERT INTO t VALUES(1, 'before')");
  colony.publish("a");
  TransactionsEntry poison;
  poison.first = ChunkNumber(1);
  poison.chunks.push_back({true, 0, "rubbish"});
  colony.log().append("b", encode("b", Incarnation(101), poison));
  EXPECT_NE(colony.apply("c"), "");
  EXPECT_EQ(colony.rows("c", kAll), Rows{"1|before"});
}

}  // namespace
}  // namespace colony::sim
