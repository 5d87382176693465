// A log as it was when it ended at some entry: what is replayed on it goes no further.
//
// Threads: those of the log behind it. Nothing can be written to it.
#pragma once

#include "replicator/log/log.h"

namespace colony {

class LogUntil final : public Log {
 public:
  // `log` must outlive it.
  LogUntil(Log& log, Sequence last) : log_(log), last_(last) {}

  LogInfo info() override;
  std::optional<Message> read(Sequence sequence) override { return log_.read(sequence); }
  std::vector<Message> fetch(Sequence from, FetchLimits limits, std::chrono::milliseconds wait) override;
  void publish(std::string_view entry) override;  // throws Error
  std::uint64_t publish_failures() const override { return 0; }
  std::string publish_failure() const override { return {}; }
  Sequence last_known() const override;
  void interrupt() override { log_.interrupt(); }

 private:
  Log& log_;
  const Sequence last_;
};

}  // namespace colony
