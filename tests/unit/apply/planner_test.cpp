// Which entries count: a function of the log alone.
#include "replicator/apply/planner.h"

#include <gtest/gtest.h>

#include <deque>

#include "replicator/log/error.h"
#include "tests/unit/memory_node.h"

namespace colony {
namespace {

using unit::MemoryNode;

constexpr const char* kSchema = "CREATE TABLE t(k INTEGER PRIMARY KEY, a)";

struct Told {
  std::string changeset;
  bool last = true;
};

class PlannerTest : public testing::Test {
 protected:
  // The outcome of one message, in a word.
  std::string plan(const std::string& origin, const std::string& data) {
    messages_.push_back({Sequence(messages_.size() + 1), origin, data});
    verified_.look_at({messages_.back()}, looked_at_with_, {file_.identity().cluster, file_.epoch()});
    planned_ = planner().plan(messages_.back());
    if (planned_.out_of_turn) return "out of turn";
    if (planned_.ignored) return "passed over";
    if (planned_.hello() != nullptr) return "hello";
    if (planned_.barrier() != nullptr) return "barrier";
    if (planned_.leave() != nullptr) return "leave";
    std::string out;
    for (const PlannedTransaction& transaction : planned_.transactions) {
      out += transaction.own ? "own " : "apply ";
      out += std::to_string(transaction.last.value());
      if (!transaction.own) out += " " + std::string(transaction.changeset.bytes);
      if (transaction.has_fragments) out += " with parts";
      out += '\n';
    }
    for (const PlannedFragment& part : planned_.parts) {
      out += "part " + std::to_string(part.chunk.value()) + " " + std::string(part.changeset) + "\n";
    }
    return out;
  }
  std::string hello(const std::string& origin, std::uint64_t incarnation = 1) {
    return plan(origin, encode(origin, Incarnation(incarnation), HelloEntry{"host", "/" + origin, "1"}));
  }
  std::string leave(const std::string& by, const std::string& node, std::uint64_t incarnation = 1) {
    return plan(by, encode(by, Incarnation(1), LeaveEntry{node, Incarnation(incarnation)}));
  }
  std::string send(const std::string& origin, std::uint64_t first, const std::vector<Told>& chunks,
                   std::uint64_t incarnation = 1) {
    TransactionsEntry entry;
    entry.first = ChunkNumber(first);
    for (const Told& chunk : chunks) entry.chunks.push_back({chunk.last, 5, chunk.changeset});
    return plan(origin, encode(origin, Incarnation(incarnation), entry));
  }

  Planner& planner() {
    if (!planner_) planner_ = std::make_unique<Planner>(file_, origins_, verified_);
    return *planner_;
  }

  MemoryNode node_{kSchema, "self"};
  NodeFile file_{node_.db()};
  std::map<std::string, Origin> origins_;
  Trust looked_at_with_;  // which the colony's trust may be ahead of
  VerifiedEntries verified_;
  std::unique_ptr<Planner> planner_;
  std::deque<Message> messages_;
  PlannedMessage planned_;
};

TEST_F(PlannerTest, leave_frees_the_name_and_ends_that_life_for_ever) {
  hello("b");
  hello("c");
  EXPECT_EQ(leave("b", "b"), "leave");
  EXPECT_EQ(leave("b", "b"), "passed over");
  EXPECT_EQ(leave("b", "c"), "passed over");
  EXPECT_EQ(send("b", 1, {{"x"}}), "passed over");
  EXPECT_EQ(hello("b"), "passed over");
  EXPECT_EQ(hello("b", 2), "hello");
  EXPECT_EQ(leave("c", "b", 1), "passed over");
  EXPECT_EQ(send("b", 1, {{"x"}}, 2), "apply 1 x\n");
}

TEST_F(PlannerTest, leave_of_another_counts_if_it_is_a_member_and_so_is_the_remover) {
  hello("b");
  EXPECT_EQ(leave("nobody", "b"), "passed over");
  EXPECT_EQ(leave("b", "nobody"), "passed over");
  hello("c");
  EXPECT_EQ(leave("b", "c", 7), "passed over");
  EXPECT_EQ(leave("b", "c"), "leave");
}

TEST_F(PlannerTest, leave_drops_the_beginning_of_a_transaction) {
  hello("b");
  hello("c");
  EXPECT_EQ(send("b", 1, {{"x", false}}), "part 1 x\n");
  EXPECT_EQ(leave("c", "b"), "leave");
  hello("b", 2);
  EXPECT_EQ(send("b", 1, {{"y"}}, 2), "apply 1 y\n");
}

TEST_F(PlannerTest, what_is_no_entry_is_ignored) {
  EXPECT_EQ(plan("b", "noise"), "passed over");
  EXPECT_EQ(plan("b", ""), "passed over");
  EXPECT_FALSE(planned_.entry);
}

TEST_F(PlannerTest, entry_under_another_name_is_ignored) {
  hello("b");
  const std::string of_b = encode("b", Incarnation(1), BarrierEntry{1});
  EXPECT_EQ(plan("b", of_b), "barrier");
  EXPECT_EQ(plan("c", of_b), "passed over");
}

TEST_F(PlannerTest, node_is_heard_only_after_its_hello) {
  EXPECT_EQ(send("b", 1, {{"x"}}), "passed over");
  EXPECT_EQ(plan("b", encode("b", Incarnation(1), BarrierEntry{1})), "passed over");
  EXPECT_EQ(hello("b"), "hello");
  EXPECT_EQ(send("b", 1, {{"x"}}), "apply 1 x\n");
}

TEST_F(PlannerTest, name_belongs_to_the_incarnation_that_came_first) {
  EXPECT_EQ(hello("b", 1), "hello");
  EXPECT_EQ(hello("b", 2), "passed over");
  EXPECT_EQ(send("b", 1, {{"x"}}, 2), "passed over");
  EXPECT_EQ(hello("b", 1), "hello");  // it may say where it lives now
  EXPECT_EQ(send("b", 1, {{"x"}}, 1), "apply 1 x\n");
}

TEST_F(PlannerTest, second_hello_does_not_move_the_high_water_mark) {
  hello("b");
  send("b", 1, {{"x"}, {"y"}});
  EXPECT_EQ(hello("b"), "hello");
  EXPECT_EQ(send("b", 2, {{"y"}}), "passed over");
  EXPECT_EQ(send("b", 3, {{"z"}}), "apply 3 z\n");
}

TEST_F(PlannerTest, chunks_count_in_turn) {
  hello("b");
  EXPECT_EQ(send("b", 1, {{"x"}, {"y"}}), "apply 1 x\napply 2 y\n");
  EXPECT_EQ(planned_.accepted, ChunkNumber(2));
  EXPECT_EQ(send("b", 3, {{"z"}}), "apply 3 z\n");
}

TEST_F(PlannerTest, duplicates_are_ignored) {
  hello("b");
  send("b", 1, {{"x"}, {"y"}});
  EXPECT_EQ(send("b", 1, {{"x"}, {"y"}}), "passed over");
  EXPECT_EQ(send("b", 2, {{"y"}}), "passed over");
  EXPECT_FALSE(planned_.out_of_turn);
}

TEST_F(PlannerTest, of_an_overlap_only_the_new_chunks_count) {
  hello("b");
  send("b", 1, {{"x"}, {"y"}});
  EXPECT_EQ(send("b", 2, {{"y"}, {"z"}, {"zz"}}), "apply 3 z\napply 4 zz\n");
  EXPECT_EQ(planned_.accepted, ChunkNumber(4));
}

TEST_F(PlannerTest, what_begins_beyond_the_next_chunk_is_out_of_turn) {
  hello("b");
  EXPECT_EQ(send("b", 2, {{"y"}}), "out of turn");
  EXPECT_EQ(planned_.accepted, ChunkNumber());
  EXPECT_EQ(send("b", 1, {{"x"}}), "apply 1 x\n");
  EXPECT_EQ(send("b", 3, {{"z"}}), "out of turn");
  EXPECT_EQ(send("b", 2, {{"y"}}), "apply 2 y\n");
}

TEST_F(PlannerTest, origins_do_not_touch_one_another) {
  hello("b");
  hello("c");
  EXPECT_EQ(send("b", 1, {{"x"}}), "apply 1 x\n");
  EXPECT_EQ(send("c", 1, {{"y"}}), "apply 1 y\n");
  EXPECT_EQ(send("c", 3, {{"y"}}), "out of turn");
  EXPECT_EQ(send("b", 2, {{"x"}}), "apply 2 x\n");
}

TEST_F(PlannerTest, version_vector_of_the_file_counts) {
  origins_["b"] = {Incarnation(1), ChunkNumber(7), Sequence(3), "h", "p", "v"};
  EXPECT_EQ(send("b", 7, {{"x"}}), "passed over");
  EXPECT_EQ(send("b", 8, {{"y"}}), "apply 8 y\n");
  EXPECT_EQ(send("b", 9, {{"y"}}, 2), "passed over");
}

TEST_F(PlannerTest, fragments_are_kept_until_the_last_has_come) {
  hello("b");
  EXPECT_EQ(send("b", 1, {{"one-", false}, {"two-", false}}), "part 1 one-\npart 2 two-\n");
  EXPECT_EQ(planned_.accepted, ChunkNumber(2));
  EXPECT_EQ(send("b", 3, {{"three"}}), "apply 3 one-two-three with parts\n");
  EXPECT_EQ(send("b", 4, {{"next"}}), "apply 4 next\n");
}

TEST_F(PlannerTest, transaction_in_fragments_within_one_entry) {
  hello("b");
  EXPECT_EQ(send("b", 1, {{"small"}, {"one-", false}, {"two"}, {"other"}, {"begun-", false}}),
            "apply 1 small\napply 3 one-two with parts\napply 4 other\npart 5 begun-\n");
  EXPECT_EQ(send("b", 6, {{"ended"}}), "apply 6 begun-ended with parts\n");
}

TEST_F(PlannerTest, two_transactions_in_fragments_within_one_entry_keep_their_bytes) {
  hello("b");
  const std::string large(100'000, 'l'), larger(200'000, 'm');
  send("b", 1, {{large, false}, {large}, {larger, false}, {larger}});
  ASSERT_EQ(planned_.transactions.size(), 2u);
  EXPECT_EQ(planned_.transactions[0].changeset.bytes, large + large);
  EXPECT_EQ(planned_.transactions[1].changeset.bytes, larger + larger);
}

TEST_F(PlannerTest, fragments_of_two_origins_are_not_mixed) {
  hello("b");
  hello("c");
  send("b", 1, {{"b-", false}});
  send("c", 1, {{"c-", false}});
  EXPECT_EQ(send("b", 2, {{"end"}}), "apply 2 b-end with parts\n");
  EXPECT_EQ(send("c", 2, {{"end"}}), "apply 2 c-end with parts\n");
}

TEST_F(PlannerTest, duplicate_of_a_part_is_not_added_twice) {
  hello("b");
  send("b", 1, {{"one-", false}});
  EXPECT_EQ(send("b", 1, {{"one-", false}}), "passed over");
  EXPECT_EQ(send("b", 1, {{"one-", false}, {"two"}}), "apply 2 one-two with parts\n");
}

TEST_F(PlannerTest, fragments_in_the_file_are_the_beginning) {
  file_.add_fragment("b", ChunkNumber(4), "four-");
  file_.add_fragment("b", ChunkNumber(5), "five-");
  origins_["b"] = {Incarnation(1), ChunkNumber(5), Sequence(3), "h", "p", "v"};
  EXPECT_EQ(send("b", 6, {{"six"}}), "apply 6 four-five-six with parts\n");
}

TEST_F(PlannerTest, own_chunks_that_wait_in_the_outbox_are_absorbed) {
  const std::string one = node_.changeset_of("INSERT INTO t VALUES(1, 'a')");
  const std::string two = node_.changeset_of("INSERT INTO t VALUES(2, 'b')");
  hello("self", file_.identity().incarnation.value());
  EXPECT_EQ(send("self", 1, {{one}, {two}}, 7), "own 1\nown 2\n");
}

TEST_F(PlannerTest, own_transaction_of_many_chunks_is_absorbed_with_its_last) {
  node_.run("INSERT INTO t VALUES(1, zeroblob(150000))");
  const auto chunks = file_.outbox_after(ChunkNumber(), 1'000'000);
  ASSERT_EQ(chunks.size(), 3u);
  hello("self", 7);
  EXPECT_EQ(send("self", 1, {{chunks[0].changeset, false}, {chunks[1].changeset, false}}, 7), "");
  EXPECT_EQ(planned_.accepted, ChunkNumber(2));
  EXPECT_EQ(send("self", 3, {{chunks[2].changeset, true}}, 7), "own 3\n");
}

TEST_F(PlannerTest, own_chunks_that_an_older_backup_forgot_are_applied) {
  hello("self", 7);
  EXPECT_EQ(send("self", 1, {{"forgotten"}, {"this too"}}, 7), "apply 1 forgotten\napply 2 this too\n");
}

TEST_F(PlannerTest, own_number_with_other_content_halts) {
  node_.run("INSERT INTO t VALUES(1, 'a')");
  hello("self", 7);
  try {
    send("self", 1, {{"of a copy"}}, 7);
    FAIL() << "accepted";
  } catch (const Halt& halt) {
    EXPECT_NE(std::string(halt.what()).find("copy of, or an older backup of"), std::string::npos);
    EXPECT_NE(std::string(halt.what()).find("--node NEW"), std::string::npos);
  }
}

TEST_F(PlannerTest, own_chunk_with_another_end_halts) {
  const std::string one = node_.changeset_of("INSERT INTO t VALUES(1, 'a')");
  hello("self", 7);
  EXPECT_THROW(send("self", 1, {{one, false}}, 7), Halt);
}

TEST_F(PlannerTest, entry_of_a_newer_version_halts) {
  std::string newer = encode("b", Incarnation(1), BarrierEntry{1});
  newer[4] = 9;
  newer.resize(newer.size() - 8);
  const std::uint64_t checksum = message_hash(newer);
  newer.append(reinterpret_cast<const char*>(&checksum), sizeof checksum);
  EXPECT_THROW(plan("b", newer), Halt);
}

TEST_F(PlannerTest, barrier_and_proof_of_a_known_node) {
  hello("b");
  EXPECT_EQ(plan("b", encode("b", Incarnation(1), BarrierEntry{5})), "barrier");
  EXPECT_EQ(plan("b", encode("b", Incarnation(1), ProofEntry{})), "");
  EXPECT_EQ(plan("b", encode("b", Incarnation(2), BarrierEntry{5})), "passed over");
}

// With and without a look at the signatures ahead.
class SignedPlannerTest : public PlannerTest, public testing::WithParamInterface<bool> {
 protected:
  SignedPlannerTest() {
    if (GetParam()) looked_at_with_ = both_;
  }

  SigningKey key_ = SigningKey::from_seed(std::string(32, 'b'));
  SigningKey other_ = SigningKey::from_seed(std::string(32, 'o'));
  Trust both_{1, {{"b", key_.public_key()}, {"c", other_.public_key()}}};

  std::string say(const std::string& origin, const SigningKey& key, const EntryBody& body, std::uint64_t seen = 0) {
    const Seal seal{key, {file_.identity().cluster, file_.epoch()}, Sequence(seen)};
    return plan(origin, encode(origin, Incarnation(1), body, &seal));
  }
  TrustEntry trust(std::uint64_t version) const { return {version, both_.keys}; }
};

TEST_P(SignedPlannerTest, whatever_comes_counts_until_somebody_is_trusted) {
  EXPECT_EQ(hello("b"), "hello");
  EXPECT_EQ(say("b", other_, BarrierEntry{1}), "barrier");
  EXPECT_EQ(say("b", key_, trust(1)), "");
  EXPECT_NE(planned_.trust(), nullptr);
  EXPECT_EQ(plan("b", encode("b", Incarnation(1), BarrierEntry{1})), "passed over");
  EXPECT_TRUE(planned_.untrusted);
  EXPECT_EQ(say("b", other_, BarrierEntry{1}), "passed over");
  EXPECT_EQ(say("b", key_, BarrierEntry{1}), "barrier");
  EXPECT_FALSE(planned_.untrusted);
}

TEST_P(SignedPlannerTest, the_first_keys_are_believed_to_who_holds_one_of_them) {
  hello("b");
  hello("d");
  EXPECT_EQ(plan("b", encode("b", Incarnation(1), trust(1))), "passed over");
  EXPECT_EQ(say("b", other_, trust(1)), "passed over");
  EXPECT_EQ(say("d", key_, trust(1)), "passed over");
  EXPECT_EQ(say("b", key_, trust(2)), "passed over");
  EXPECT_EQ(say("b", key_, trust(1)), "");
}

TEST_P(SignedPlannerTest, keys_count_once_and_in_their_order) {
  hello("b");
  say("b", key_, trust(1));
  EXPECT_EQ(say("b", key_, trust(1)), "passed over");
  EXPECT_EQ(say("b", key_, trust(3)), "passed over");
  EXPECT_EQ(say("b", key_, TrustEntry{2, {{"b", other_.public_key()}}}), "");
  EXPECT_EQ(say("b", key_, trust(3)), "passed over");
  EXPECT_TRUE(planned_.untrusted);
  EXPECT_EQ(say("b", other_, trust(3)), "");
}

TEST_P(SignedPlannerTest, an_old_hello_does_not_count_again) {
  say("b", key_, HelloEntry{"host", "/b", "1"});
  say("b", key_, trust(1));
  EXPECT_EQ(say("b", key_, HelloEntry{"host", "/there", "1"}, 0), "passed over");
  EXPECT_EQ(say("b", key_, HelloEntry{"host", "/there", "1"}, 2), "hello");
}

TEST_P(SignedPlannerTest, a_newer_format_stops_it_only_if_a_member_has_signed_it) {
  say("b", key_, HelloEntry{"host", "/b", "1"});
  say("b", key_, trust(1));
  const auto newer = [&](const SigningKey& key) {
    const Seal seal{key, {file_.identity().cluster, file_.epoch()}, Sequence()};
    std::string message = encode("b", Incarnation(1), BarrierEntry{1}, &seal);
    message.resize(message.size() - 8 - kSignatureBytes);
    message[5] = 77;  // the kind
    message += key.sign(signed_text(seal.log, message));
    const std::uint64_t checksum = message_hash(message);
    return message.append(reinterpret_cast<const char*>(&checksum), sizeof checksum);
  };
  EXPECT_EQ(plan("b", newer(other_)), "passed over");
  EXPECT_THROW(plan("b", newer(key_)), Halt);
}

INSTANTIATE_TEST_SUITE_P(Planner, SignedPlannerTest, testing::Values(false, true));

}  // namespace
}  // namespace colony
