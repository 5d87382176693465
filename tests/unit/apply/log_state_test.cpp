// What a file keeps in memory of the log is, after every round, what it would load.
#include "replicator/apply/log_state.h"

#include <gtest/gtest.h>

#include "replicator/apply/absorption.h"
#include "tests/unit/memory_node.h"

namespace colony {
namespace {

class LogStateTest : public testing::Test {
 protected:
  LogStateTest() { file_.load(); }

  // One round for each call.
  void absorb(const std::string& origin, std::uint64_t incarnation, const EntryBody& body, const Seal* seal = nullptr) {
    const std::vector<Message> messages{
        {file_.log_state.position.next(), origin, encode(origin, Incarnation(incarnation), body, seal), 0}};
    file_.index_outbox();
    WriteTransaction transaction(file_.db);
    ASSERT_TRUE(file_.index_rest_of_outbox());
    RoundPlan plan(file_, verified_, missed_);
    plan.take_in(messages, 1, budget_, std::chrono::hours(1));
    Rebase rebase = file_.rebase();
    rebase.undo(plan.overlapping().transactions());
    Absorption absorption(file_, plan, rebase);
    absorption.apply(std::chrono::hours(1));
    rebase.redo_rest();
    absorption.write_progress();
    transaction.commit();
    rebase.committed();
    absorption.committed();
    FoldedFile anew(node_.path(), std::nullopt);
    anew.load();
    EXPECT_EQ(file_.log_state, anew.log_state) << "after message " << messages.front().sequence.value();
  }
  void send(const std::string& origin, std::uint64_t first, std::vector<Chunk> chunks) {
    for (Chunk& chunk : chunks) chunk.shape = NodeFile(other_.db()).outbox_chunk(ChunkNumber(1))->shape;
    absorb(origin, 1, TransactionsEntry{ChunkNumber(first), chunks});
  }

  unit::MemoryNode node_{"CREATE TABLE t(k INTEGER PRIMARY KEY, a)", "self"};
  unit::MemoryNode other_{"CREATE TABLE t(k INTEGER PRIMARY KEY, a)", "b"};
  FoldedFile file_{node_.path(), std::nullopt};
  VerifiedEntries verified_;
  MissedTransactions missed_;
  RoundBudget budget_;
};

TEST_F(LogStateTest, follows_members_that_come_and_go) {
  absorb("b", 1, HelloEntry{"host", "/b", "1"});
  absorb("c", 2, HelloEntry{"host", "/c", "1"});
  absorb("b", 1, HelloEntry{"host", "/elsewhere", "1"});
  EXPECT_EQ(file_.log_state.origins.size(), 2u);
  absorb("b", 1, LeaveEntry{"c", Incarnation(2)});
  EXPECT_TRUE(file_.log_state.departed.contains(Incarnation(2)));
  absorb("c", 2, HelloEntry{"host", "/c", "1"});
  EXPECT_EQ(file_.log_state.origins.size(), 1u);
  absorb("b", 1, LeaveEntry{"b", Incarnation(1)});
  EXPECT_TRUE(file_.log_state.has_met_colony());
}

TEST_F(LogStateTest, follows_transactions_and_their_fragments) {
  const std::string one = other_.changeset_of("INSERT INTO t VALUES(1, 'a')");
  const std::string two = other_.changeset_of("INSERT INTO t VALUES(2, 'b')");
  absorb("b", 1, HelloEntry{"host", "/b", "1"});
  send("b", 1, {{true, 0, one}});
  send("b", 2, {{false, 0, two.substr(0, 5)}});
  EXPECT_TRUE(file_.log_state.unfinished.contains("b"));
  send("b", 3, {{true, 0, two.substr(5)}});
  EXPECT_FALSE(file_.log_state.unfinished.contains("b"));
  EXPECT_EQ(node_.rows("t"), "1 'a'\n2 'b'\n");
  send("b", 4, {{false, 0, two}});
  absorb("b", 1, LeaveEntry{"b", Incarnation(1)});
  EXPECT_FALSE(file_.log_state.unfinished.contains("b"));
}

TEST_F(LogStateTest, follows_whom_the_colony_trusts) {
  const SigningKey key = SigningKey::from_seed(std::string(32, 'b'));
  const Seal seal{key, {"test", ""}, Sequence()};
  absorb("b", 1, HelloEntry{"host", "/b", "1"});
  absorb("b", 1, TrustEntry{1, {{"b", key.public_key()}}}, &seal);
  EXPECT_TRUE(file_.log_state.trust.is_in_force());
  absorb("b", 1, BarrierEntry{1}, &seal);
}

TEST_F(LogStateTest, follows_what_the_outbox_gives_up) {
  const std::string own = node_.changeset_of("INSERT INTO t VALUES(1, 'a')");
  absorb("self", 7, HelloEntry{"host", "/self", "1"});
  absorb("self", 7, TransactionsEntry{ChunkNumber(1), {{true, 0, own}}});
  EXPECT_EQ(file_.log_state.origins.at("self").chunk, ChunkNumber(1));
  EXPECT_TRUE(file_.pending.empty());
}

}  // namespace
}  // namespace colony
