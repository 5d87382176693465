// The hazards of a log that others can write to, one test each.
#include <gtest/gtest.h>

#include "tests/sim/keys.h"
#include "tests/sim/small_colony.h"

namespace colony::sim {
namespace {

using Rows = std::vector<std::string>;

constexpr const char* kTable = "CREATE TABLE t(k INTEGER PRIMARY KEY, x)";
constexpr const char* kAll = "SELECT k, x FROM t ORDER BY k";
constexpr std::uint64_t kIncarnationOfB = 101;

std::uint64_t untrusted(SmallColony& colony, const std::string& node) {
  return colony.node(node).status().view().untrusted;
}

// The server itself puts bytes on any subject, as the answer to somebody who may not
// publish there.
TEST(Hazard, reply_injection) {
  SmallColony colony(kTable);
  colony.trust_all();
  colony.sql("a", "INSERT INTO t VALUES(1, 'a')");
  colony.publish("a");
  const Seal neighbours{*key_of('a'), kSimulatedLog, {}}, strangers{*key_of('z'), kSimulatedLog, {}};
  colony.sql("a", "UPDATE t SET x = 'kept'");
  colony.publish("a");
  const Message whole = colony.log().messages()[colony.log().messages().size() - 2];
  for (const Seal* seal : {static_cast<const Seal*>(nullptr), &neighbours, &strangers}) {
    const std::optional<Entry> entry = decode(whole.data, "a");
    colony.log().append("b", encode("b", Incarnation(kIncarnationOfB), entry->body, seal));
  }
  colony.log().append("b", whole.data);  // what a has signed, on b's subject: no entry of b's
  ASSERT_EQ(colony.settle(), "");
  for (const char* const node : {"a", "b"}) {
    EXPECT_EQ(colony.rows(node, kAll), Rows{"1|kept"});
    EXPECT_EQ(untrusted(colony, node), 3u);
    EXPECT_EQ(colony.node(node).status().view().ignored, 1u);
  }
  colony.sql("b", "INSERT INTO t VALUES(2, 'b')");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", kAll), (Rows{"1|kept", "2|b"}));
}

TEST(Hazard, entries_of_a_former_log_and_of_another_colony) {
  SmallColony colony(kTable);
  colony.trust_all();
  colony.sql("a", "INSERT INTO t VALUES(1, 'a')");
  colony.publish("a");
  const Message whole = colony.log().messages().back();
  const std::optional<Entry> entry = decode(whole.data, "a");
  const Seal former{*key_of('b'), {"sim", "epoch-0"}, {}}, others{*key_of('b'), {"simepoch-", "1"}, {}};
  for (const Seal* seal : {&former, &others}) {
    colony.log().append("b", encode("b", Incarnation(kIncarnationOfB), entry->body, seal));
  }
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(untrusted(colony, "a"), 2u);
  EXPECT_EQ(colony.rows("b", "SELECT piece FROM __colony_origins WHERE node = 'b'"), Rows{"0"});
}

TEST(Hazard, a_key_that_was_taken_away_does_not_come_back_by_an_old_entry) {
  SmallColony colony(kTable, {"a", "b", "c"});
  colony.trust_all();
  const Message first = [&] {
    for (const Message& message : colony.log().messages()) {
      const auto entry = decode(message.data, message.origin);
      if (entry && std::holds_alternative<TrustEntry>(entry->body)) return message;
    }
    return Message{};
  }();
  colony.trust("a", trust_of_all(2, 'c'));
  colony.log().append(first.origin, first.data);
  const Seal of_c{*key_of('c'), kSimulatedLog, Sequence(100)};
  colony.log().append("c", encode("c", Incarnation(102), trust_of_all(3), &of_c));
  for (const char* node : {"a", "b", "c"}) colony.apply(node);
  EXPECT_EQ(colony.node("b").trust().version, 2u);
  EXPECT_FALSE(colony.node("b").trust().keys.contains("c"));
  EXPECT_EQ(untrusted(colony, "a"), 1u);
}

TEST(Hazard, a_node_that_is_not_trusted_keeps_what_it_has_and_says_why) {
  SmallColony colony(kTable);
  colony.trust_all();
  colony.trust("a", trust_of_all(2, 'b'));
  colony.apply("a");
  colony.sql("b", "INSERT INTO t VALUES(2, 'b')");
  colony.apply("b");
  colony.publish("b");
  colony.apply("b");
  StatusView view = colony.node("b").status().view();
  EXPECT_EQ(view.state, State::kHalted);
  EXPECT_NE(view.message.find("colony trust DB b=" + key_of('b')->public_key().text()), std::string::npos)
      << view.message;
  EXPECT_EQ(colony.rows("b", "SELECT count(*) FROM __colony_outbox"), Rows{"1"});
  colony.sql("a", "INSERT INTO t VALUES(1, 'a')");
  colony.publish("a");
  colony.apply("b");
  EXPECT_EQ(colony.rows("b", kAll), (Rows{"1|a", "2|b"}));  // it goes on reading
  colony.trust("a", trust_of_all(3));
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.node("b").status().view().state, State::kRunning);
  EXPECT_EQ(colony.rows("a", kAll), (Rows{"1|a", "2|b"}));
}

TEST(Hazard, a_node_without_its_key_or_with_another_one_sends_nothing) {
  SmallColony colony(kTable);
  colony.trust_all();
  for (const char key : {'\0', 'z'}) {
    colony.set_key("b", key);
    colony.restart("b");
    colony.sql("b", "INSERT INTO t VALUES((SELECT count(*) FROM t), 'b')");
    const Sequence end = colony.log().last();
    for (int i = 0; i < 3; ++i) colony.apply("b"), colony.publish("b");
    EXPECT_EQ(colony.log().last(), end);
    EXPECT_EQ(colony.node("b").status().view().state, State::kHalted);
    EXPECT_NE(colony.node("b").status().view().message.find("key"), std::string::npos);
  }
  colony.set_key("b", 'b');
  colony.restart("b");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", kAll), (Rows{"0|b", "1|b"}));
}

// It would say that b lives where it no longer is, and b would take it for a copy's.
TEST(Hazard, an_old_hello_that_is_sent_again_moves_nobody) {
  SmallColony colony(kTable);
  colony.trust_all();
  const Seal long_ago{*key_of('b'), kSimulatedLog, Sequence(1)};
  const std::string old =
      encode("b", Incarnation(kIncarnationOfB), HelloEntry{"host", "/former/place", "1"}, &long_ago);
  colony.sql("b", "INSERT INTO t VALUES(1, 'b')");
  ASSERT_EQ(colony.settle(), "");
  colony.log().append("b", old);
  colony.sql("b", "INSERT INTO t VALUES(2, 'b')");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", "SELECT path FROM __colony_origins WHERE node = 'b'"), Rows{colony.path("b")});
}

TEST(Hazard, a_stranger_cannot_stop_a_node_with_a_newer_format) {
  SmallColony colony(kTable);
  colony.trust_all();
  std::string newer = encode("b", Incarnation(kIncarnationOfB), BarrierEntry{1});
  newer.resize(newer.size() - 8);
  newer[4] = 99;
  newer.append(kSignatureBytes, 'x');
  const std::uint64_t checksum = message_hash(newer);
  newer.append(reinterpret_cast<const char*>(&checksum), sizeof checksum);
  colony.log().append("b", newer);
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(untrusted(colony, "a"), 1u);
}

TEST(Hazard, who_joins_and_who_installs_a_snapshot_inherit_whom_to_trust) {
  SmallColony colony(kTable, {"a", "b"});
  colony.trust_all();
  colony.sql("a", "INSERT INTO t VALUES(1, 'a')");
  ASSERT_EQ(colony.settle(), "");
  colony.crash("b");
  colony.trust("a", trust_of_all(2));
  colony.sql("a", "INSERT INTO t VALUES(2, 'a')");
  colony.publish("a");
  colony.apply("a");
  ASSERT_EQ(colony.snapshot("a"), "");
  colony.cut_log();
  colony.set_key("c", 'c');
  colony.join("c");
  EXPECT_EQ(colony.node("c").trust().version, 2u);
  colony.start("b");
  ASSERT_NE(colony.apply("b"), "");
  ASSERT_EQ(colony.install("b"), "");
  EXPECT_EQ(colony.node("b").trust(), colony.node("a").trust());
  ASSERT_EQ(colony.settle(), "");
  colony.log().append("b", encode("b", Incarnation(kIncarnationOfB), BarrierEntry{1}));
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(untrusted(colony, "b"), 1u);
  EXPECT_EQ(untrusted(colony, "c"), 1u);
}

}  // namespace
}  // namespace colony::sim
