#include "tests/cluster/log_calls.h"

#include <gtest/gtest.h>
#include <spdlog/fmt/fmt.h>

#include <thread>

#include "replicator/log/error.h"

namespace colony {

JetStreamSettings settings_for(const NatsProcess& broker, const std::string& node) {
  return {.broker = broker.url(), .cluster = "c", .node = node};
}

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
    list.push_back(fmt::format("{} {} {}", message.sequence.value(), message.origin, message.data));
  }
  return list;
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds within) {
  const auto deadline = Clock::now() + within;
  while (!condition()) {
    if (Clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

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

}  // namespace colony
