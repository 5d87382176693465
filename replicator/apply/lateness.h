// Whether the file has been behind the log for too long.
//
// Threads: the applier's.
#pragma once

#include <chrono>

#include "replicator/apply/applier_observer.h"

namespace colony {

class Lateness {
 public:
  // `observer` must outlive it.
  explicit Lateness(ApplierObserver& observer) : observer_(observer) {}

  // The log has more than the file, or no longer has.
  void set_behind(bool behind) {
    if (behind_since_.has_value() == behind) return;
    behind_since_ = behind ? std::optional(Clock::now()) : std::nullopt;
    observer_.delayed(Delay::kBehind, behind_since_);
  }

  // Whether that has been so for a quarter of a second: more than a program that commits
  // much at once, or a busy machine, makes of it now and then.
  bool is_late() const { return behind_since_ && Clock::now() - *behind_since_ >= std::chrono::milliseconds(250); }

 private:
  using Clock = std::chrono::steady_clock;

  ApplierObserver& observer_;
  std::optional<Clock::time_point> behind_since_;
};

}  // namespace colony
