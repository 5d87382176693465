// Brokers, streams and addresses with which a colony cannot go on, and what is said of them.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/cluster/log_calls.h"
#include "tests/cluster/stream_operator.h"

namespace colony {
namespace {

TEST(JetStreamLog, streams_that_would_lose_entries_are_refused_by_name_of_the_setting) {
  NatsProcess broker;
  StreamOperator stranger(broker.url());
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
  StreamOperator(broker.url()).create_stream([](jsStreamConfig& c) { c.MaxMsgs = 2, c.MaxMsgSize = 2000; });
  JetStreamLog log(settings_for(broker));
  EXPECT_LT(log.info().entry_bytes_max, 2000u);
  for (int i = 0; i < 3; ++i) log.publish("x");
  EXPECT_TRUE(eventually([&] { return log.publish_failures() == 1; }));
  EXPECT_NE(log.publish_failure().find("maximum messages exceeded"), std::string::npos) << log.publish_failure();
}

TEST(JetStreamLog, a_stranger_that_takes_the_subjects_is_named) {
  NatsProcess broker;
  const char* wide[] = {"colony.>"};
  StreamOperator(broker.url()).create_stream([&](jsStreamConfig& c) { c.Name = "EVERYTHING", c.Subjects = wide; });
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

}  // namespace
}  // namespace colony
