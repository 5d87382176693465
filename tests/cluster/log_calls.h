// How tests call the log of colony "c" on a real broker, and wait for what it says.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "replicator/broker/jetstream_log.h"
#include "tests/cluster/nats_process.h"

namespace colony {

using Clock = std::chrono::steady_clock;

inline constexpr std::chrono::milliseconds kLong = std::chrono::seconds(20);  // ends only if the test fails

JetStreamSettings settings_for(const NatsProcess& broker, const std::string& node = "a");

// All messages from `from` on until there are `count`.
std::vector<Message> fetch_count(Log& log, Sequence from, std::size_t count);

// Each as "sequence origin data".
std::vector<std::string> contents(const std::vector<Message>& messages);

// Whether it becomes true in time.
bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds within = kLong);

// What kind of error a call ends with, and its text.
std::pair<std::string, std::string> outcome(const std::function<void()>& call);

// Once the log can be reached. Other errors are thrown.
LogInfo await_info(Log& log);

}  // namespace colony
