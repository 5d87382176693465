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
    const NodeRows rows{{value, 0, 0}, objects_};
    return ledger_.judge({rows, rows}, {first_was_gone, false}, kOrderNs);
  }

  Ledger ledger_{3, 1000};
  std::vector<std::uint64_t> objects_;
};

TEST_F(LedgerTest, a_write_that_is_there_is_good) {
  const Verdict verdict = judge(write(0, 0, 10, 20));
  EXPECT_TRUE(verdict.is_good());
  EXPECT_EQ(verdict.present, 1U);
}

TEST_F(LedgerTest, a_write_of_which_nothing_is_there_is_lost) {
  write(0, 0, 10, 20);
  EXPECT_EQ(judge(0).lost, 1U);
  EXPECT_EQ(judge(~0ULL).lost, 1U);
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
  objects_ = {token};
  EXPECT_TRUE(judge(0).is_good());
  const Verdict verdict = ledger_.judge({{{0, 0, 0}, {token}}, {{0, 0, 0}, {}}}, {false, false}, kOrderNs);
  EXPECT_EQ(verdict.lost, 1U);
  EXPECT_EQ(verdict.differing, 1U);
}

TEST_F(LedgerTest, nodes_that_differ_are_named) {
  const Verdict verdict = ledger_.judge({{{0, 0, 0}, {}}, {{0, ~0ULL, 0}, {}}}, {false, false}, kOrderNs);
  EXPECT_EQ(verdict.differing, 1U);
  ASSERT_EQ(verdict.examples.size(), 1U);
  EXPECT_NE(verdict.examples[0].find(key_name(1)), std::string::npos);
}

}  // namespace
}  // namespace load
