#include "tests/load/generator/ledger.h"

#include <gtest/gtest.h>

namespace load {
namespace {

constexpr std::int64_t kOrderNs = 1000;

// Two nodes, three shared values, and who writes when.
class LedgerTest : public testing::Test {
 protected:
  std::uint64_t write(std::uint32_t key, std::uint8_t node, std::int64_t sent_ns, std::int64_t answered_ns) {
    const std::uint64_t token = ledger_.sent(Operation::kWrite, key, node, sent_ns);
    ledger_.acknowledged(token, answered_ns);
    return token;
  }
  Verdict judge(std::uint64_t value, bool first_was_gone = false) {
    const NodeRows rows{{{value, kBytes}, kFirst, kFirst}, objects_, {}};
    return ledger_.judge({rows, rows}, {first_was_gone, false}, kOrderNs);
  }

  static constexpr std::uint32_t kBytes = 64;
  static constexpr Content kFirst{0, kBytes};
  Ledger ledger_{3, kBytes, 1000};
  std::vector<AddedObject> objects_;
};

TEST_F(LedgerTest, a_write_that_is_there_is_good) {
  const Verdict verdict = judge(write(0, 0, 10, 20));
  EXPECT_TRUE(verdict.is_good());
  EXPECT_EQ(verdict.present, 1U);
}

TEST_F(LedgerTest, a_write_of_which_nothing_is_there_is_lost) {
  write(0, 0, 10, 20);
  EXPECT_EQ(judge(0).lost, 1U);
  EXPECT_EQ(judge(kMissing).lost, 1U);
  EXPECT_EQ(judge(kCorrupt).lost, 1U);
  EXPECT_EQ(judge(999).lost, 1U);  // of a former run
  EXPECT_EQ(judge(1002).lost, 1U);
}

TEST_F(LedgerTest, of_one_nodes_writes_the_later_must_stay) {
  const auto first = write(0, 0, 10, 20), second = write(0, 0, 30, 40);
  EXPECT_EQ(judge(second).overwritten, 1U);
  EXPECT_EQ(judge(first).lost, 1U);
}

TEST_F(LedgerTest, of_writes_at_the_same_time_either_may_stay) {
  const auto first = write(0, 0, 10, 50), second = write(0, 0, 30, 40);
  EXPECT_TRUE(judge(first).is_good());
  EXPECT_TRUE(judge(second).is_good());
}

TEST_F(LedgerTest, of_two_nodes_writes_either_may_stay_unless_long_apart) {
  const auto first = write(0, 0, 10, 20), second = write(0, 1, 500, 510);
  EXPECT_TRUE(judge(first).is_good());
  EXPECT_TRUE(judge(second).is_good());
  const auto late = write(0, 1, 5000, 5010);
  EXPECT_TRUE(judge(late).is_good());
  EXPECT_EQ(judge(first).lost, 1U);
  // What a node that was gone had to say comes into the log when it is back.
  EXPECT_TRUE(judge(first, true).is_good());
}

TEST_F(LedgerTest, a_write_that_was_refused_must_not_be_there) {
  write(0, 0, 10, 20);
  const std::uint64_t refused = ledger_.sent(Operation::kCompareAndSet, 0, 0, 30);
  ledger_.refused(refused);
  EXPECT_EQ(judge(refused).lost, 1U);
}

TEST_F(LedgerTest, a_write_without_an_answer_may_be_there_or_not) {
  const auto first = write(0, 0, 10, 20);
  const std::uint64_t unknown = ledger_.sent(Operation::kWrite, 0, 0, 30);
  EXPECT_TRUE(judge(first).is_good());
  EXPECT_TRUE(judge(unknown).is_good());
  EXPECT_EQ(judge(unknown).unknown, 1U);
}

TEST_F(LedgerTest, an_added_object_must_be_on_every_node) {
  const std::uint64_t token = ledger_.sent(Operation::kAddObject, 0, 0, 10);
  ledger_.acknowledged(token, 20);
  EXPECT_EQ(judge(0).lost, 1U);
  objects_ = {{token, 0}};
  EXPECT_TRUE(judge(0).is_good());
  const std::vector<Content> values(3, kFirst);
  const Verdict verdict = ledger_.judge({{values, objects_, {}}, {values, {}, {}}}, {false, false}, kOrderNs);
  EXPECT_EQ(verdict.lost, 1U);
  EXPECT_EQ(verdict.differing, 1U);
}

TEST_F(LedgerTest, an_added_object_that_is_not_whole_is_lost) {
  const std::uint64_t token = ledger_.sent(Operation::kAddObject, 0, 0, 10);
  ledger_.acknowledged(token, 20);
  const NodeRows rows{std::vector<Content>(3, kFirst), {}, {object_name(token)}};
  const Verdict verdict = ledger_.judge({rows, rows}, {false, false}, kOrderNs);
  EXPECT_EQ(verdict.lost, 1U);
  EXPECT_EQ(verdict.corrupt, 2U);
  EXPECT_EQ(verdict.differing, 0U);
  // Whole, but as a user of another node would have added it.
  objects_ = {{token, 1}};
  EXPECT_EQ(judge(0).lost, 1U);
  EXPECT_EQ(judge(0).corrupt, 2U);
}

TEST_F(LedgerTest, a_value_of_another_size_is_not_what_was_written) {
  const std::uint64_t token = write(0, 0, 10, 20);
  const NodeRows rows{{{token, kBytes - 1}, kFirst, kFirst}, {}, {}};
  const Verdict verdict = ledger_.judge({rows, rows}, {false, false}, kOrderNs);
  EXPECT_EQ(verdict.lost, 1U);
  EXPECT_EQ(verdict.corrupt, 2U);
}

TEST_F(LedgerTest, what_nobody_wrote_is_noticed_where_nothing_is_lost) {
  const std::uint64_t token = write(1, 0, 10, 20);
  for (const std::uint64_t there : {token, kCorrupt, token + 1}) {
    const NodeRows rows{{{there, kBytes}, {token, kBytes}, kFirst}, {}, {}};
    const Verdict verdict = ledger_.judge({rows, rows}, {false, false}, kOrderNs);
    EXPECT_EQ(verdict.lost, 0U);
    EXPECT_EQ(verdict.corrupt, 2U);
    EXPECT_FALSE(verdict.is_good());
    ASSERT_FALSE(verdict.examples.empty());
    EXPECT_NE(verdict.examples[0].find(key_name(0)), std::string::npos);
  }
}

TEST_F(LedgerTest, a_read_may_show_a_write_that_has_no_answer_yet_but_none_of_another_key) {
  const std::uint64_t token = ledger_.sent(Operation::kWrite, 0, 0, 10);
  EXPECT_TRUE(ledger_.is_given(0, {token, kBytes}));
  EXPECT_FALSE(ledger_.is_given(1, {token, kBytes}));
  EXPECT_FALSE(ledger_.is_given(0, {token, kBytes + 1}));
  EXPECT_FALSE(ledger_.is_given(0, {token + 1, kBytes}));
  EXPECT_FALSE(ledger_.is_given(0, {kMissing, 0}));
  EXPECT_TRUE(ledger_.is_given(0, {999, 17}));
}

TEST_F(LedgerTest, nodes_that_differ_are_named) {
  const Verdict verdict =
      ledger_.judge({{{kFirst, kFirst, kFirst}, {}, {}}, {{kFirst, {}, kFirst}, {}, {}}}, {false, false}, kOrderNs);
  EXPECT_EQ(verdict.differing, 1U);
  EXPECT_EQ(verdict.corrupt, 0U);
  ASSERT_EQ(verdict.examples.size(), 1U);
  EXPECT_NE(verdict.examples[0].find(key_name(1)), std::string::npos);
}

}  // namespace
}  // namespace load
