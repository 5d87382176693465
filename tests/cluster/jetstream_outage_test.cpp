// A broker that is killed, hangs or is not there, and a log that is told to stop.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/cluster/log_calls.h"

namespace colony {
namespace {

using namespace std::chrono_literals;

TEST(JetStreamLog, a_killed_broker_ends_every_call_until_info_succeeds_and_nothing_is_sent_late) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  log.info();
  log.publish("before");
  fetch_count(log, Sequence(1), 1);

  std::pair<std::string, std::string> fetched;
  std::thread reader([&] { fetched = outcome([&] { log.fetch(Sequence(2), {}, kLong); }); });
  broker.kill();
  reader.join();
  EXPECT_EQ(fetched.first, "LogUnavailable") << fetched.second;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(outcome([&] { log.publish("while down"); }).first, "LogUnavailable");
  EXPECT_EQ(outcome([&] { log.info(); }).first, "LogUnavailable");
  EXPECT_EQ(outcome([&] { log.read(Sequence(1)); }).first, "LogUnavailable");

  broker.start();
  EXPECT_EQ(outcome([&] { log.publish("not looked at yet"); }).first, "LogUnavailable");
  EXPECT_EQ(outcome([&] { log.fetch(Sequence(1), {}, kLong); }).first, "LogUnavailable");
  EXPECT_EQ(await_info(log).last, Sequence(1));
  log.publish("after");
  EXPECT_EQ(contents(fetch_count(log, Sequence(1), 2)), (std::vector<std::string>{"1 a before", "2 a after"}));
}

TEST(JetStreamLog, publishing_through_a_killed_broker_sends_nothing_late) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  log.info();
  // Through the very moment of the loss.
  std::uint64_t handed_over = 0;
  std::thread publisher([&] {
    while (outcome([&] { log.publish("x" + std::to_string(handed_over)); }).first == "nothing") ++handed_over;
  });
  fetch_count(log, Sequence(1), 100);
  broker.kill();
  publisher.join();
  broker.start();
  const Sequence last = await_info(log).last;
  EXPECT_LE(last.value(), handed_over + 1);
  log.publish("marker");
  const std::vector<Message> messages = fetch_count(log, last.next(), 1);
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].data, "marker");
}

TEST(JetStreamLog, a_broker_that_hangs_is_noticed) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  log.info();
  EXPECT_TRUE(log.fetch(Sequence(1), {}, 10ms).empty());
  const auto begin = Clock::now();
  broker.freeze();
  EXPECT_EQ(outcome([&] { log.fetch(Sequence(1), {}, 60s); }).first, "LogUnavailable");
  EXPECT_LT(Clock::now() - begin, 16s);
  broker.thaw();
  await_info(log);
}

TEST(JetStreamLog, unanswered_publishes_are_counted) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  log.info();
  broker.freeze();
  log.publish("1");
  log.publish("2");
  EXPECT_EQ(log.publish_failures(), 0u);
  const auto begin = Clock::now();
  EXPECT_TRUE(eventually([&] { return log.publish_failures() == 2; }));
  EXPECT_GT(Clock::now() - begin, 4s) << "an answer may take its time";
  log.publish("3");
  broker.kill();
  EXPECT_TRUE(eventually([&] { return log.publish_failures() == 3; }, 1s)) << "lost with the connection";
}

TEST(JetStreamLog, an_absent_broker_is_unavailable_and_the_next_of_the_list_is_used) {
  std::string absent_url;
  {
    NatsProcess absent;
    absent_url = absent.url();
  }
  JetStreamSettings settings;
  settings.broker = absent_url;
  settings.cluster = "c";
  settings.node = "a";
  JetStreamLog alone(settings);
  EXPECT_EQ(outcome([&] { alone.fetch(Sequence(1), {}, kLong); }).first, "LogUnavailable");
  EXPECT_EQ(outcome([&] { alone.info(); }).first, "LogUnavailable");

  NatsProcess present;
  settings.broker = absent_url + ", " + present.url();
  EXPECT_EQ(JetStreamLog(settings).info().last, Sequence(0));
}

TEST(JetStreamLog, interrupt_ends_a_blocked_fetch_and_all_later_calls) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  log.info();
  log.fetch(Sequence(1), {}, 1ms);
  std::pair<std::string, std::string> fetched;
  Clock::time_point ended;
  std::thread reader([&] {
    fetched = outcome([&] { log.fetch(Sequence(1), {}, kLong); });
    ended = Clock::now();
  });
  const auto begin = Clock::now();
  log.interrupt();
  reader.join();
  EXPECT_EQ(fetched.first, "Interrupted");
  EXPECT_LT(ended - begin, 1s);
  EXPECT_EQ(outcome([&] { log.fetch(Sequence(1), {}, kLong); }).first, "Interrupted");
  EXPECT_EQ(outcome([&] { log.info(); }).first, "Interrupted");
  EXPECT_EQ(outcome([&] { log.read(Sequence(1)); }).first, "Interrupted");
  EXPECT_EQ(outcome([&] { log.publish("x"); }).first, "Interrupted");
  log.interrupt();
}

TEST(JetStreamLog, interrupt_ends_a_request_to_a_broker_that_hangs) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  log.info();
  broker.freeze();
  std::pair<std::string, std::string> asked;
  std::atomic<bool> asking{false};
  std::thread reader([&] {
    asking = true;
    asked = outcome([&] { log.info(); });
  });
  ASSERT_TRUE(eventually([&] { return asking.load(); }));
  const auto begin = Clock::now();
  log.interrupt();
  reader.join();
  EXPECT_EQ(asked.first, "Interrupted");
  EXPECT_LT(Clock::now() - begin, 1s);
}

}  // namespace
}  // namespace colony
