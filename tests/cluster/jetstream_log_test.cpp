// The log over a real nats-server: what is written is what is read.
#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/cluster/log_calls.h"

namespace colony {
namespace {

using namespace std::chrono_literals;

TEST(JetStreamLog, is_created_empty_and_then_found_again) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  const LogInfo created = log.info();
  EXPECT_EQ(created.epoch.size(), 32u);
  EXPECT_EQ(created.first, Sequence(1));
  EXPECT_EQ(created.last, Sequence(0));
  EXPECT_GT(created.created_ns, 1'600'000'000'000'000'000);
  EXPECT_GT(created.entry_bytes_max, 1'000'000u);
  EXPECT_LE(created.entry_bytes_max, 1'048'576u);

  JetStreamLog other(settings_for(broker, "b"));
  EXPECT_EQ(other.info().epoch, created.epoch);
  EXPECT_EQ(other.info().created_ns, created.created_ns);
}

TEST(JetStreamLog, keeps_epoch_and_entries_over_restarts_of_the_broker) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  const LogInfo before = log.info();
  log.publish("one");
  fetch_count(log, Sequence(1), 1);
  broker.stop();
  broker.start();
  EXPECT_EQ(await_info(log).epoch, before.epoch);
  broker.kill();
  broker.start();
  const LogInfo after = await_info(log);
  EXPECT_EQ(after.epoch, before.epoch);
  EXPECT_EQ(after.created_ns, before.created_ns);
  EXPECT_EQ(after.last, Sequence(1));
  EXPECT_EQ(log.read(Sequence(1))->data, "one");
}

TEST(JetStreamLog, nodes_that_start_together_agree_on_the_epoch) {
  NatsProcess broker;
  for (int round = 0; round < 10; ++round) {
    std::vector<std::string> epochs(4);
    std::vector<std::thread> nodes;
    for (std::size_t i = 0; i < epochs.size(); ++i) {
      nodes.emplace_back([&, i] {
        JetStreamSettings settings = settings_for(broker, "n" + std::to_string(i));
        settings.cluster = "round" + std::to_string(round);
        JetStreamLog log(settings);
        epochs[i] = await_info(log).epoch;
      });
    }
    for (std::thread& node : nodes) node.join();
    EXPECT_EQ(std::set<std::string>(epochs.begin(), epochs.end()).size(), 1u);
    EXPECT_EQ(epochs[0].size(), 32u);
  }
}

TEST(JetStreamLog, entries_come_back_in_order_and_byte_for_byte) {
  NatsProcess broker;
  JetStreamLog a(settings_for(broker, "a"));
  JetStreamLog b(settings_for(broker, "b"));
  a.info();
  b.info();
  std::string bytes;
  for (int i = 0; i < 512; ++i) bytes += static_cast<char>(i);
  a.publish(bytes);
  fetch_count(a, Sequence(1), 1);
  b.publish("");
  fetch_count(a, Sequence(2), 1);
  a.publish(std::string_view("\0\r\n\0", 4));

  const std::vector<Message> messages = fetch_count(b, Sequence(1), 3);
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[0].data, bytes);
  EXPECT_EQ(messages[1].data, "");
  EXPECT_EQ(messages[2].data, std::string("\0\r\n\0", 4));
  EXPECT_EQ(messages[0].origin, "a");
  EXPECT_EQ(messages[1].origin, "b");
  for (std::size_t i = 0; i < messages.size(); ++i) {
    EXPECT_EQ(messages[i].sequence, Sequence(i + 1));
    const std::optional<Message> same = a.read(messages[i].sequence);
    ASSERT_TRUE(same);
    EXPECT_EQ(same->data, messages[i].data);
    EXPECT_EQ(same->origin, messages[i].origin);
  }
  EXPECT_EQ(b.last_known(), Sequence(3));
}

TEST(JetStreamLog, is_read_from_any_position_in_any_order) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  log.info();
  for (int i = 1; i <= 10; ++i) log.publish(std::to_string(i));
  ASSERT_EQ(fetch_count(log, Sequence(1), 10).size(), 10u);
  for (std::uint64_t from : {7u, 8u, 1u, 10u, 3u}) {
    const std::vector<Message> messages = log.fetch(Sequence(from), {}, kLong);
    ASSERT_FALSE(messages.empty());
    EXPECT_EQ(messages[0].sequence, Sequence(from));
    EXPECT_EQ(messages[0].data, std::to_string(from));
  }
}

TEST(JetStreamLog, fetch_keeps_to_its_limits) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  log.info();
  for (int i = 0; i < 10; ++i) log.publish(std::string(100, 'x'));
  fetch_count(log, Sequence(1), 10);
  EXPECT_EQ(log.last_known(), Sequence(10));

  std::vector<Message> three;
  std::uint64_t next = 1;
  while (next <= 9) {
    three = log.fetch(Sequence(next), {.messages = 3}, kLong);
    ASSERT_GE(three.size(), 1u);
    ASSERT_LE(three.size(), 3u);
    ASSERT_EQ(three[0].sequence, Sequence(next));
    next += three.size();
  }
  EXPECT_LE(log.fetch(Sequence(1), {.messages = 100, .bytes = 150}, kLong).size(), 2u);
  EXPECT_TRUE(log.fetch(Sequence(11), {}, 30ms).empty());
}

TEST(JetStreamLog, a_reader_that_pauses_loses_nothing) {
  NatsProcess broker;
  JetStreamLog writer(settings_for(broker, "w"));
  JetStreamLog reader(settings_for(broker, "r"));
  writer.info();
  reader.info();
  EXPECT_TRUE(reader.fetch(Sequence(1), {}, 10ms).empty());
  // More than flow control lets through.
  const int count = 160;
  const std::string entry(500'000, 'x');
  for (int i = 0; i < count; ++i) writer.publish(entry + std::to_string(i));
  ASSERT_EQ(fetch_count(writer, Sequence(1), count).size(), std::size_t(count));
  const std::vector<Message> messages = fetch_count(reader, Sequence(1), count);
  ASSERT_EQ(messages.size(), std::size_t(count));
  for (int i = 0; i < count; ++i) {
    ASSERT_EQ(messages[i].sequence, Sequence(i + 1));
    ASSERT_EQ(messages[i].data.substr(entry.size()), std::to_string(i));
  }
  EXPECT_EQ(writer.publish_failures(), 0u) << writer.publish_failure();
}

TEST(JetStreamLog, fifty_thousand_small_entries_arrive_once_and_in_order) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  log.info();
  const int count = 50'000;
  std::thread publisher([&] {
    for (int i = 0; i < count; ++i) log.publish(std::to_string(i));
  });
  const std::vector<Message> messages = fetch_count(log, Sequence(1), count);
  publisher.join();
  ASSERT_EQ(messages.size(), std::size_t(count));
  for (int i = 0; i < count; ++i) {
    ASSERT_EQ(messages[i].sequence, Sequence(i + 1));
    ASSERT_EQ(messages[i].data, std::to_string(i));
  }
  EXPECT_EQ(log.publish_failures(), 0u) << log.publish_failure();
}

TEST(JetStreamLog, the_largest_entry_goes_through_and_a_larger_one_is_refused) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  const std::size_t largest = log.info().entry_bytes_max;
  std::string entry(largest, '\0');
  for (std::size_t i = 0; i < entry.size(); ++i) entry[i] = static_cast<char>(i * 31);
  log.publish(entry);
  EXPECT_EQ(fetch_count(log, Sequence(1), 1).at(0).data, entry);
  EXPECT_EQ(log.read(Sequence(1))->data, entry);
  EXPECT_EQ(outcome([&] { log.publish(std::string(2 * largest, 'x')); }).first, "Error");
  log.publish("still connected");
  EXPECT_EQ(fetch_count(log, Sequence(2), 1).size(), 1u);
  EXPECT_EQ(log.publish_failures(), 0u) << log.publish_failure();
}

TEST(JetStreamLog, an_idle_consumer_lives) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  log.info();
  EXPECT_TRUE(log.fetch(Sequence(1), {}, 14s).empty());
  log.publish("1");
  EXPECT_EQ(fetch_count(log, Sequence(1), 1).size(), 1u);
}

}  // namespace
}  // namespace colony
