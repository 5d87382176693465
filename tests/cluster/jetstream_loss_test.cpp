// What the broker has lost of a log, by accident or by an operator's hand, shows.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/cluster/log_calls.h"
#include "tests/cluster/stream_operator.h"

namespace colony {
namespace {

using namespace std::chrono_literals;

TEST(JetStreamLog, a_deleted_message_is_a_visible_hole) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  log.info();
  for (int i = 1; i <= 4; ++i) log.publish(std::to_string(i));
  fetch_count(log, Sequence(1), 4);
  StreamOperator(broker.url()).delete_message(3);
  EXPECT_EQ(contents(fetch_count(log, Sequence(1), 3)), (std::vector<std::string>{"1 a 1", "2 a 2", "4 a 4"}));
  EXPECT_EQ(log.fetch(Sequence(3), {}, kLong).at(0).sequence, Sequence(4));
  EXPECT_FALSE(log.read(Sequence(3)));
  EXPECT_FALSE(log.read(Sequence(0)));
  EXPECT_FALSE(log.read(Sequence(5)));
}

TEST(JetStreamLog, a_purge_is_visible) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  log.info();
  for (int i = 1; i <= 6; ++i) log.publish(std::to_string(i));
  fetch_count(log, Sequence(1), 6);
  StreamOperator(broker.url()).purge_before(5);
  EXPECT_EQ(log.info().first, Sequence(5));
  EXPECT_EQ(log.fetch(Sequence(2), {}, kLong).at(0).sequence, Sequence(5));

  StreamOperator(broker.url()).purge_before(7);
  const LogInfo empty = log.info();
  EXPECT_EQ(empty.first, Sequence(7));
  EXPECT_EQ(empty.last, Sequence(6));
  log.publish("7");
  EXPECT_EQ(log.fetch(Sequence(4), {}, kLong).at(0).sequence, Sequence(7));
}

TEST(JetStreamLog, a_position_beyond_the_end_is_never_answered_with_other_messages) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  log.info();
  log.publish("1");
  fetch_count(log, Sequence(1), 1);
  EXPECT_TRUE(log.fetch(Sequence(50), {}, 50ms).empty());
  log.publish("2");
  // Servers differ: some wait for 50, some would hand over 2.
  const auto fetched = outcome([&] { EXPECT_TRUE(log.fetch(Sequence(50), {}, 500ms).empty()); });
  if (fetched.first != "nothing") {
    EXPECT_EQ(fetched.first, "LogUnavailable");
    EXPECT_EQ(outcome([&] { log.fetch(Sequence(1), {}, kLong); }).first, "LogUnavailable") << "without info()";
  }
  EXPECT_EQ(log.info().last, Sequence(2));
}

TEST(JetStreamLog, what_was_on_its_way_from_a_former_log_is_not_of_the_new_one) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  log.info();
  for (int i = 1; i <= 4; ++i) log.publish(std::to_string(i));
  for (int i = 1; i <= 2; ++i) log.fetch(Sequence(i), FetchLimits{.messages = 1}, kLong);
  // 3 and 4 are here already when the log goes on without them.
  StreamOperator(broker.url()).delete_stream();
  JetStreamLog recovery(settings_for(broker, ""));
  recovery.hold("token");
  recovery.renew("token", Sequence(3));
  recovery.release("token");
  JetStreamLog other(settings_for(broker, "b"));
  other.info();
  other.publish("another 3");
  EXPECT_EQ(contents(fetch_count(other, Sequence(3), 1)), std::vector<std::string>{"3 b another 3"});

  EXPECT_EQ(log.info().last, Sequence(3));
  EXPECT_EQ(contents(fetch_count(log, Sequence(3), 1)), std::vector<std::string>{"3 b another 3"});
}

TEST(JetStreamLog, lost_log_is_not_made_anew_by_one_that_has_met_it) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  const LogInfo before = log.info();
  for (int i = 1; i <= 5; ++i) log.publish(std::to_string(i));
  fetch_count(log, Sequence(1), 5);
  broker.stop();
  std::filesystem::remove_all(broker.directory() / "store");
  broker.start();
  const auto [kind, text] = outcome([&] { await_info(log); });
  EXPECT_EQ(kind, "Halt");
  EXPECT_NE(text.find("is gone"), text.npos) << text;
  JetStreamLog stranger(settings_for(broker));
  stranger.info();
  const LogInfo after = await_info(log);
  EXPECT_NE(after.epoch, before.epoch);
  EXPECT_EQ(after.last, Sequence(0));
  EXPECT_EQ(log.last_known(), Sequence(0));
}

TEST(JetStreamLog, a_consumer_that_is_gone_is_noticed) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  log.info();
  EXPECT_TRUE(log.fetch(Sequence(1), {}, 10ms).empty());
  StreamOperator(broker.url()).delete_consumers();
  const auto begin = Clock::now();
  EXPECT_EQ(outcome([&] { log.fetch(Sequence(1), {}, 60s); }).first, "LogUnavailable");
  EXPECT_LT(Clock::now() - begin, 16s);
  log.info();
  log.publish("goes on");
  EXPECT_EQ(fetch_count(log, Sequence(1), 1).size(), 1u);
}

TEST(JetStreamLog, what_was_dropped_on_the_way_is_asked_for_again) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  log.info();
  log.publish("1");
  fetch_count(log, Sequence(1), 1);
  StreamOperator stranger(broker.url());
  const ConsumersHandle consumers = stranger.consumers();
  ASSERT_EQ(consumers->Count, 1);
  const std::string inbox = consumers->List[0]->Config->DeliverSubject;
  // As if the messages 2 to 8 of the consumer had been dropped.
  stranger.publish(inbox, "$JS.ACK.COLONY_c.x.1.9.9.1.0", "forged");
  stranger.publish(inbox, "elsewhere", "nonsense");
  log.publish("2");
  log.publish("3");
  EXPECT_EQ(contents(fetch_count(log, Sequence(2), 2)), (std::vector<std::string>{"2 a 2", "3 a 3"}));
}

TEST(JetStreamLog, publishes_without_a_stream_are_counted) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  log.info();
  log.publish("1");
  fetch_count(log, Sequence(1), 1);
  EXPECT_EQ(log.publish_failures(), 0u);
  StreamOperator(broker.url()).delete_stream();
  for (int i = 0; i < 3; ++i) log.publish("into nothing");
  EXPECT_TRUE(eventually([&] { return log.publish_failures() == 3; })) << log.publish_failures();
  EXPECT_NE(log.publish_failure().find("colony.c.log.a"), std::string::npos) << log.publish_failure();
}

}  // namespace
}  // namespace colony
