#include "replicator/snapshots/log_until.h"

#include <algorithm>

#include "replicator/log/error.h"

namespace colony {

LogInfo LogUntil::info() {
  LogInfo info = log_.info();
  info.last = std::min(info.last, last_);
  return info;
}

std::vector<Message> LogUntil::fetch(Sequence from, FetchLimits limits, std::chrono::milliseconds wait) {
  std::vector<Message> messages = log_.fetch(from, limits, wait);
  std::erase_if(messages, [&](const Message& message) { return message.sequence > last_; });
  return messages;
}

void LogUntil::publish(std::string_view) { throw Error("what is replayed writes nothing into the log"); }

Sequence LogUntil::last_known() const { return std::min(log_.last_known(), last_); }

}  // namespace colony
