#include "tests/bench/memory_log.h"

namespace colony::bench {

LogInfo MemoryLog::info() {
  return {.epoch = "bench",
          .created_ns = 1,
          .first = Sequence(messages_->forgotten + 1),
          .last = messages_->last,
          .entry_bytes_max = 1u << 20};
}

std::optional<Message> MemoryLog::read(Sequence sequence) {
  if (sequence.value() <= messages_->forgotten || sequence > messages_->last) return std::nullopt;
  return messages_->kept[sequence.value() - messages_->forgotten - 1];
}

std::vector<Message> MemoryLog::fetch(Sequence from, FetchLimits limits, std::chrono::milliseconds) {
  std::vector<Message> fetched;
  std::size_t bytes = 0;
  for (std::size_t i = from.value() - messages_->forgotten - 1; i < messages_->kept.size(); ++i) {
    if (fetched.size() >= limits.messages || bytes >= limits.bytes) break;
    fetched.push_back(messages_->kept[i]);
    bytes += fetched.back().data.size();
  }
  return fetched;
}

void MemoryLog::publish(std::string_view entry) {
  messages_->last = messages_->last.next();
  messages_->kept.push_back({messages_->last, node_, std::string(entry)});
}

void MemoryLog::forget() {
  while (messages_->kept.size() > 1) {
    messages_->kept.pop_front();
    ++messages_->forgotten;
  }
}

}  // namespace colony::bench
