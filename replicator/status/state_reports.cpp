#include "replicator/status/state_reports.h"

#include <spdlog/spdlog.h>

namespace colony {
namespace {

constexpr std::chrono::seconds kCatchingUpEvery{10};
constexpr std::chrono::minutes kUntrustedEvery{10};

}  // namespace

void StateReports::report(State state, const std::string& why) {
  status_.set_state(state, why);
  if (why == reported_) return;
  reported_ = why;
  spdlog::log(state == State::kHalted ? spdlog::level::err : spdlog::level::warn, "state={} {}", to_string(state), why);
}

void StateReports::look(Sequence position) {
  const StatusView view = status_.view();
  look_at_catching_up(view, position);
  look_at_untrusted(view);
  look_at_state(view, position);
}

// Every ten seconds, and in the end if it took that long.
void StateReports::look_at_catching_up(const StatusView& view, Sequence position) {
  const auto now = Clock::now();
  if (view.state != State::kCatchingUp) {
    if (catching_up_reported_) {
      spdlog::info("caught up position={} after_s={:.0f}", position.value(),
                   std::chrono::duration<double>(now - *catching_up_since_).count());
    }
    catching_up_since_.reset();
    catching_up_reported_.reset();
    return;
  }
  if (!catching_up_since_) catching_up_since_ = now;
  if (now - catching_up_reported_.value_or(*catching_up_since_) < kCatchingUpEvery) return;
  catching_up_reported_ = now;
  spdlog::info("catching up position={} of={} entries_per_s={:.0f}", position.value(), view.log_head.value(),
               view.catching_up.entries_per_s);
}

// At once, and then how many there were: whoever sends them sends many.
void StateReports::look_at_untrusted(const StatusView& view) {
  const auto now = Clock::now();
  if (view.untrusted == untrusted_reported_) return;
  if (untrusted_reported_ > 0 && now - untrusted_reported_at_ < kUntrustedEvery) return;
  untrusted_reported_ = view.untrusted;
  untrusted_reported_at_ = now;
  spdlog::warn(
      "ignored entries that are unsigned or wrongly signed count={}: somebody else writes to the log, or a node "
      "runs without its key",
      view.untrusted);
}

// A node that reads and is not to send is halted without an error of its own.
void StateReports::look_at_state(const StatusView& view, Sequence position) {
  if (view.state == State::kHalted) {
    if (view.message == reported_) return;
    reported_ = view.message;
    spdlog::error("state={} {}", to_string(view.state), view.message);
  } else if (view.state == State::kRunning && !reported_.empty()) {
    reported_.clear();
    spdlog::info("state=running position={}", position.value());
  }
}

}  // namespace colony
