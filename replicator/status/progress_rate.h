// The rate of something that makes progress, over the latest ten seconds. Threads: one.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <utility>

namespace colony {

class ProgressRate {
 public:
  using Clock = std::chrono::steady_clock;

  void reset() { samples_.clear(); }
  // `done` so far: never less than before.
  void note(Clock::time_point now, std::uint64_t done);
  // 0 until it is known.
  double per_s() const;

 private:
  std::deque<std::pair<Clock::time_point, std::uint64_t>> samples_;
};

}  // namespace colony
