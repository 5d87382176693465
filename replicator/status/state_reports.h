// Says in the log how the node is: each thing once, until something else is to be said,
// and what goes on for long every now and then.
//
// Threads: the applier's.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "replicator/status/status.h"

namespace colony {

class StateReports {
 public:
  // `status` must outlive it.
  explicit StateReports(Status& status) : status_(status) {}

  // That is the state now, and why: to the status and, if it is new, to the log.
  void report(State state, const std::string& why);

  // To the status alone: what is usual, and soon over.
  void show(State state, const std::string& why) { status_.set_state(state, why); }

  // After each step that went well: what the status has that should be said.
  void look(Sequence position);

 private:
  using Clock = std::chrono::steady_clock;

  void look_at_catching_up(const StatusView& view, Sequence position);
  void look_at_untrusted(const StatusView& view);
  void look_at_state(const StatusView& view, Sequence position);

  Status& status_;
  std::string reported_;  // why it does not run
  std::uint64_t untrusted_reported_ = 0;
  Clock::time_point untrusted_reported_at_;
  std::optional<Clock::time_point> catching_up_since_, catching_up_reported_;
};

}  // namespace colony
