// The log in memory, for one node at a time: what it costs to apply it is then the
// applier's cost alone.
#pragma once

#include <deque>
#include <memory>

#include "replicator/log/log.h"

namespace colony::bench {

class MemoryLog final : public Log {
 public:
  struct Messages {
    std::deque<Message> kept;
    Sequence last;
    std::uint64_t forgotten = 0;
  };

  // Logs that share their messages are one log, seen by several nodes.
  MemoryLog(std::shared_ptr<Messages> messages, std::string node)
      : messages_(std::move(messages)), node_(std::move(node)) {}

  LogInfo info() override;
  std::optional<Message> read(Sequence sequence) override;
  std::vector<Message> fetch(Sequence from, FetchLimits limits, std::chrono::milliseconds wait) override;
  void publish(std::string_view entry) override;
  std::uint64_t publish_failures() const override { return 0; }
  std::string publish_failure() const override { return {}; }
  Sequence last_known() const override { return messages_->last; }
  void interrupt() override {}

  // Gives the memory of all but the last message back.
  void forget();

 private:
  std::shared_ptr<Messages> messages_;
  std::string node_;
};

}  // namespace colony::bench
