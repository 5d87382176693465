// How often a program's commits are captured: see CaptureLoop.
//
// Threads: one.
#pragma once

#include <chrono>
#include <cstdint>

namespace colony {

class CapturePace {
 public:
  using Clock = std::chrono::steady_clock;

  // So many transactions were captured, for which the write lock was asked for at `asked` and had
  // at `locked`; it was free again at `done`.
  void captured(std::size_t transactions, Clock::time_point asked, Clock::time_point locked, Clock::time_point done);

  // When the next ones should be.
  Clock::time_point next() const { return is_dense_ ? done_ + kApart : done_; }

 private:
  static constexpr std::chrono::milliseconds kApart{50};

  Clock::time_point done_{};
  double waits_ = 0;            // how often the lock had to be waited for, of late: from 0 to 1
  double per_millisecond_ = 0;  // commits, of late
  bool is_dense_ = false;
};

}  // namespace colony
