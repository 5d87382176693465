// The log over a real nats-server.
#include "replicator/log/jetstream_log.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "replicator/log/error.h"
#include "replicator/log/nats_handles.h"
#include "tests/cluster/nats_process.h"

namespace colony {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLong = 20s;  // ends only if the test fails

using ConsumersHandle = std::unique_ptr<jsConsumerInfoList, NatsDeleter<&jsConsumerInfoList_Destroy>>;

// What an operator, or a stranger, does to the broker.
class Operator {
 public:
  explicit Operator(const std::string& url) {
    open_nats_library();
    natsConnection* connection = nullptr;
    require_nats(natsConnection_ConnectTo(&connection, url.c_str()), "operator");
    connection_.reset(connection);
    jsCtx* jetstream = nullptr;
    require_nats(natsConnection_JetStream(&jetstream, connection, nullptr), "operator");
    jetstream_.reset(jetstream);
  }

  void create_stream(const std::function<void(jsStreamConfig&)>& change) {
    const char* subjects[] = {"colony.c.log.*"};
    jsStreamConfig config;
    jsStreamConfig_Init(&config);
    config.Name = "COLONY_c";
    config.Description = "Colony log of c, epoch 0123456789abcdef0123456789abcdef";
    config.Subjects = subjects;
    config.SubjectsLen = 1;
    config.Discard = js_DiscardNew;
    change(config);
    // Servers clear away a deleted stream of that name in their own time.
    const auto deadline = Clock::now() + kLong;
    natsStatus status = NATS_ERR;
    while (status != NATS_OK && Clock::now() < deadline) {
      status = js_AddStream(nullptr, js(), &config, nullptr, nullptr);
    }
    require_nats(status, "stream");
  }

  void delete_stream() { require_nats(js_DeleteStream(js(), "COLONY_c", nullptr, nullptr), "delete stream"); }

  void delete_message(std::uint64_t sequence) {
    require_nats(js_DeleteMsg(js(), "COLONY_c", sequence, nullptr, nullptr), "delete message");
  }

  void purge_before(std::uint64_t sequence) {
    jsOptions options;
    jsOptions_Init(&options);
    options.Stream.Purge.Sequence = sequence;
    require_nats(js_PurgeStream(js(), "COLONY_c", &options, nullptr), "purge");
  }

  ConsumersHandle consumers() {
    jsConsumerInfoList* list = nullptr;
    require_nats(js_Consumers(&list, js(), "COLONY_c", nullptr, nullptr), "consumers");
    return ConsumersHandle(list);
  }

  void delete_consumers() {
    const ConsumersHandle list = consumers();
    for (int i = 0; i < list->Count; ++i) js_DeleteConsumer(js(), "COLONY_c", list->List[i]->Name, nullptr, nullptr);
  }

  void publish(const std::string& subject, const std::string& reply, const std::string& data) {
    require_nats(natsConnection_PublishRequest(connection_.get(), subject.c_str(), reply.c_str(), data.data(),
                                               static_cast<int>(data.size())),
                 "publish");
    require_nats(natsConnection_Flush(connection_.get()), "flush");
  }

 private:
  jsCtx* js() { return jetstream_.get(); }

  NatsConnectionHandle connection_;
  JetStreamHandle jetstream_;
};

JetStreamSettings settings_for(const NatsProcess& broker, const std::string& node = "a") {
  JetStreamSettings settings;
  settings.broker = broker.url();
  settings.cluster = "c";
  settings.node = node;
  return settings;
}

// All messages from `from` on until there are `count`.
std::vector<Message> fetch_count(Log& log, Sequence from, std::size_t count) {
  std::vector<Message> all;
  while (all.size() < count) {
    std::vector<Message> some = log.fetch(from, {}, kLong);
    if (some.empty()) break;
    from = some.back().sequence.next();
    for (Message& message : some) all.push_back(std::move(message));
  }
  return all;
}

std::vector<std::string> contents(const std::vector<Message>& messages) {
  std::vector<std::string> list;
  for (const Message& message : messages) {
    list.push_back(std::to_string(message.sequence.value()) + " " + message.origin + " " + message.data);
  }
  return list;
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds within = kLong) {
  const auto deadline = Clock::now() + within;
  while (!condition()) {
    if (Clock::now() > deadline) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

// What kind of error a call ends with, and its text.
std::pair<std::string, std::string> outcome(const std::function<void()>& call) {
  try {
    call();
  } catch (const LogUnavailable& error) {
    return {"LogUnavailable", error.what()};
  } catch (const Halt& error) {
    return {"Halt", error.what()};
  } catch (const Interrupted& error) {
    return {"Interrupted", error.what()};
  } catch (const Error& error) {
    return {"Error", error.what()};
  }
  return {"nothing", ""};
}

LogInfo await_info(Log& log) {
  LogInfo info;
  EXPECT_TRUE(eventually([&] {
    try {
      info = log.info();
      return true;
    } catch (const LogUnavailable&) {
      return false;
    }
  }));
  return info;
}

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

TEST(JetStreamLog, a_deleted_message_is_a_visible_hole) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  log.info();
  for (int i = 1; i <= 4; ++i) log.publish(std::to_string(i));
  fetch_count(log, Sequence(1), 4);
  Operator(broker.url()).delete_message(3);
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
  Operator(broker.url()).purge_before(5);
  EXPECT_EQ(log.info().first, Sequence(5));
  EXPECT_EQ(log.fetch(Sequence(2), {}, kLong).at(0).sequence, Sequence(5));

  Operator(broker.url()).purge_before(7);
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

TEST(JetStreamLog, a_consumer_that_is_gone_is_noticed) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  log.info();
  EXPECT_TRUE(log.fetch(Sequence(1), {}, 10ms).empty());
  Operator(broker.url()).delete_consumers();
  const auto begin = Clock::now();
  EXPECT_EQ(outcome([&] { log.fetch(Sequence(1), {}, 60s); }).first, "LogUnavailable");
  EXPECT_LT(Clock::now() - begin, 16s);
  log.info();
  log.publish("goes on");
  EXPECT_EQ(fetch_count(log, Sequence(1), 1).size(), 1u);
}

TEST(JetStreamLog, an_idle_consumer_lives) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  log.info();
  EXPECT_TRUE(log.fetch(Sequence(1), {}, 14s).empty());
  log.publish("1");
  EXPECT_EQ(fetch_count(log, Sequence(1), 1).size(), 1u);
}

TEST(JetStreamLog, what_was_dropped_on_the_way_is_asked_for_again) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  log.info();
  log.publish("1");
  fetch_count(log, Sequence(1), 1);
  Operator stranger(broker.url());
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

TEST(JetStreamLog, streams_that_would_lose_entries_are_refused_by_name_of_the_setting) {
  NatsProcess broker;
  Operator stranger(broker.url());
  const char* wider[] = {"colony.c.log.*", "other"};
  const char* other[] = {"colony.c.log.a"};
  const std::map<std::string, std::function<void(jsStreamConfig&)>> refused = {
      {"storage", [](jsStreamConfig& c) { c.Storage = js_MemoryStorage; }},
      {"retention is work queue", [](jsStreamConfig& c) { c.Retention = js_WorkQueuePolicy; }},
      {"retention is interest", [](jsStreamConfig& c) { c.Retention = js_InterestPolicy; }},
      {"max_age", [](jsStreamConfig& c) { c.MaxAge = 3'600'000'000'000; }},
      {"max_msgs is", [](jsStreamConfig& c) { c.MaxMsgs = 1000, c.Discard = js_DiscardOld; }},
      {"max_bytes is", [](jsStreamConfig& c) { c.MaxBytes = 1 << 20, c.Discard = js_DiscardOld; }},
      {"max_msgs_per_subject", [](jsStreamConfig& c) { c.MaxMsgsPerSubject = 1; }},
      {"subjects", [&](jsStreamConfig& c) { c.Subjects = wider, c.SubjectsLen = 2; }},
      {"its subjects", [&](jsStreamConfig& c) { c.Subjects = other; }},
      {"not made by Colony", [](jsStreamConfig& c) { c.Description = "orders"; }},
      {"description", [](jsStreamConfig& c) { c.Description = nullptr; }},
      {"(its description", [](jsStreamConfig& c) { c.Description = "Colony log of c, epoch 12"; }},
      {"of c, epoch ",
       [](jsStreamConfig& c) { c.Description = "Colony log of d, epoch 0123456789abcdef0123456789abcdef"; }}};
  for (const auto& [setting, change] : refused) {
    stranger.create_stream(change);
    JetStreamLog log(settings_for(broker));
    const auto [kind, text] = outcome([&] { log.info(); });
    EXPECT_EQ(kind, "Halt") << setting;
    EXPECT_NE(text.find(setting), text.npos) << text;
    EXPECT_EQ(text.find('\n'), text.npos) << text;
    EXPECT_EQ(outcome([&] { log.publish("x"); }).first, "LogUnavailable");
    stranger.delete_stream();
  }
}

TEST(JetStreamLog, limits_that_refuse_instead_of_forgetting_are_allowed_and_reported) {
  NatsProcess broker;
  Operator(broker.url()).create_stream([](jsStreamConfig& c) { c.MaxMsgs = 2, c.MaxMsgSize = 2000; });
  JetStreamLog log(settings_for(broker));
  EXPECT_LT(log.info().entry_bytes_max, 2000u);
  for (int i = 0; i < 3; ++i) log.publish("x");
  EXPECT_TRUE(eventually([&] { return log.publish_failures() == 1; }));
  EXPECT_NE(log.publish_failure().find("maximum messages exceeded"), std::string::npos) << log.publish_failure();
}

TEST(JetStreamLog, a_stranger_that_takes_the_subjects_is_named) {
  NatsProcess broker;
  const char* wide[] = {"colony.>"};
  Operator(broker.url()).create_stream([&](jsStreamConfig& c) { c.Name = "EVERYTHING", c.Subjects = wide; });
  JetStreamLog log(settings_for(broker));
  const auto [kind, text] = outcome([&] { log.info(); });
  EXPECT_EQ(kind, "Halt");
  EXPECT_NE(text.find("EVERYTHING"), text.npos) << text;
}

TEST(JetStreamLog, a_reader_creates_nothing) {
  NatsProcess broker;
  JetStreamSettings settings = settings_for(broker);
  settings.read_only = true;
  JetStreamLog reader(settings);
  const auto [kind, text] = outcome([&] { reader.info(); });
  EXPECT_EQ(kind, "Error");
  EXPECT_NE(text.find("does not exist yet"), text.npos) << text;
  JetStreamLog node(settings_for(broker));
  const std::string epoch = node.info().epoch;
  EXPECT_EQ(reader.info().epoch, epoch);
}

TEST(JetStreamLog, a_broker_without_jetstream_is_told_and_waited_for) {
  NatsProcess broker(std::vector<std::string>{});
  JetStreamLog log(settings_for(broker));
  const auto [kind, text] = outcome([&] { log.info(); });
  EXPECT_EQ(kind, "LogUnavailable");
  EXPECT_NE(text.find("JetStream"), text.npos) << text;
}

TEST(JetStreamLog, addresses_that_cannot_be_meant_are_errors) {
  for (const std::string url : {"", "nats://", "http://127.0.0.1:4222", "nats://127.0.0.1:port", "nats://h:0",
                                "nats://h:65536", "nats://h:4222,", "nats://a b:1", "nats://u:secret@h:x"}) {
    const auto [kind, text] = outcome([&] {
      JetStreamSettings settings;
      settings.broker = url;
      settings.cluster = "c";
      JetStreamLog log(settings);
      log.info();
    });
    EXPECT_EQ(kind, "Error") << url;
    EXPECT_EQ(text.find("secret"), text.npos) << text;
  }
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

TEST(JetStreamLog, publishes_without_a_stream_are_counted) {
  NatsProcess broker;
  JetStreamLog log(settings_for(broker));
  log.info();
  log.publish("1");
  fetch_count(log, Sequence(1), 1);
  EXPECT_EQ(log.publish_failures(), 0u);
  Operator(broker.url()).delete_stream();
  for (int i = 0; i < 3; ++i) log.publish("into nothing");
  EXPECT_TRUE(eventually([&] { return log.publish_failures() == 3; })) << log.publish_failures();
  EXPECT_NE(log.publish_failure().find("colony.c.log.a"), std::string::npos) << log.publish_failure();
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

}  // namespace
}  // namespace colony
