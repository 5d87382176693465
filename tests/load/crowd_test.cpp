#include "tests/load/generator/crowd.h"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <functional>

namespace load {
namespace {

// A node that gives every request the answer that the test wants.
class Node : public Target {
 public:
  using Reply = std::function<Answer(const Ask&)>;
  Node(Loop& loop, Listener& listener, Reply reply) : loop_(loop), listener_(listener), reply_(std::move(reply)) {}

  void connect(UserNumber user, std::uint8_t) override {
    boost::asio::post(loop_, [this, user] { listener_.connected(user); });
  }
  void close(UserNumber) override {}
  void send(UserNumber user, const Ask& ask) override {
    boost::asio::post(loop_, [this, user, ask] {
      ++asked;
      listener_.answered(user, reply_(ask));
    });
  }

  int asked = 0;

 private:
  Loop& loop_;
  Listener& listener_;
  Reply reply_;
};

constexpr int kAsked = 500;

class CrowdTest : public testing::Test {
 protected:
  // What some users have measured who were answered so, all alike.
  Totals measured(Mix mix, const Node::Reply& reply) {
    Settings settings;
    settings.users = 5;
    settings.think_s = 0.0005;
    settings.mix = mix;
    settings.dataset.keys = 10;
    Loop loop;
    Ledger ledger(settings.dataset.keys, settings.dataset.value_bytes, kBefore);
    Crowd crowd(loop, settings, 1, ledger, figures_, nullptr);
    Node node(loop, crowd, reply);
    crowd.begin_measuring();
    crowd.arrive(node, 0);
    while (node.asked < kAsked) loop.run_one();
    crowd.stop();
    while (crowd.asking() > 0) loop.run_one();
    asked_ = static_cast<std::uint64_t>(node.asked);
    return figures_.end_part(1);
  }

  static constexpr std::uint64_t kBefore = 1000;  // tokens of former runs
  static constexpr Mix kReads{1, 0, 0, 0, 0}, kLists{0, 1, 0, 0, 0}, kWrites{0, 0, 1, 0, 0};
  Figures figures_;
  std::uint64_t asked_ = 0;
};

Answer value(std::uint64_t token, std::uint32_t bytes) { return {200, 1, 0, {token, bytes}, true}; }

TEST_F(CrowdTest, an_error_is_no_answer_and_has_no_latency) {
  for (const Mix& mix : {kReads, kLists, kWrites}) {
    const Totals totals = measured(mix, [](const Ask&) { return Answer{503}; });
    EXPECT_EQ(totals.error_count(), asked_);
    EXPECT_EQ(totals.answers(), 0U);
  }
  figures_.end_second({});
  EXPECT_EQ(figures_.series().back().answers, 0U);
  EXPECT_EQ(figures_.wrong_answers(), 0U);
}

TEST_F(CrowdTest, errors_do_not_hide_what_was_answered) {
  int turn = 0;
  const Totals totals = measured(kReads, [&](const Ask&) { return ++turn % 2 == 0 ? Answer{404} : value(0, 128); });
  EXPECT_EQ(totals.answers() + totals.error_count(), asked_);
  EXPECT_EQ(totals.error_count(), asked_ / 2);
}

TEST_F(CrowdTest, a_compare_and_set_that_meets_another_value_is_answered) {
  const Totals totals = measured({1, 0, 0, 1, 0}, [](const Ask& ask) {
    return ask.operation == Operation::kCompareAndSet ? Answer{412} : value(0, 128);
  });
  EXPECT_GT(totals.conditions_refused, 0U);
  EXPECT_EQ(totals.writes.count(), totals.conditions_refused);
  EXPECT_EQ(totals.error_count(), 0U);
  EXPECT_EQ(totals.answers(), asked_);
}

TEST_F(CrowdTest, what_was_written_before_the_run_may_be_read) {
  EXPECT_EQ(measured(kReads, [](const Ask&) { return value(kBefore, 64); }).answers(), asked_);
}

TEST_F(CrowdTest, a_value_that_nobody_wrote_is_an_error) {
  for (const std::uint64_t token : {kCorrupt, kMissing, kBefore + 1'000'000}) {
    const Totals totals = measured(kReads, [&](const Ask&) { return value(token, 128); });
    EXPECT_EQ(totals.errors.at("a value that nobody wrote"), asked_);
    EXPECT_EQ(totals.answers(), 0U);
  }
  EXPECT_GT(figures_.wrong_answers(), 0U);
}

TEST_F(CrowdTest, a_value_of_another_key_or_size_is_an_error) {
  std::uint64_t last_token = 0;
  std::uint32_t last_key = 0;
  const auto answer = [&](const Ask& ask, std::uint32_t bytes, bool same_key) {
    if (is_write(ask.operation)) {
      last_token = ask.token;
      last_key = ask.key;
      return Answer{200};
    }
    return last_token != 0 && (ask.key == last_key) == same_key ? value(last_token, bytes) : value(0, 128);
  };
  constexpr Mix kBoth{1, 0, 1, 0, 0};
  EXPECT_EQ(measured(kBoth, [&](const Ask& ask) { return answer(ask, 128, true); }).error_count(), 0U);
  EXPECT_GT(measured(kBoth, [&](const Ask& ask) { return answer(ask, 128, false); }).error_count(), 0U);
  EXPECT_GT(measured(kBoth, [&](const Ask& ask) { return answer(ask, 127, true); }).error_count(), 0U);
}

TEST_F(CrowdTest, a_list_of_anything_else_is_an_error) {
  EXPECT_EQ(measured(kLists, [](const Ask&) { return Answer{200}; }).answers(), asked_);
  Answer other{200};
  other.is_expected = false;
  const Totals totals = measured(kLists, [&](const Ask&) { return other; });
  EXPECT_EQ(totals.error_count(), asked_);
  EXPECT_EQ(totals.answers(), 0U);
}

}  // namespace
}  // namespace load
