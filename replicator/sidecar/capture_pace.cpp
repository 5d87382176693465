#include "replicator/sidecar/capture_pace.h"

#include <cmath>

namespace colony {

// More than one commit a millisecond leaves no gap to write in; nor does a program that has the
// lock most times. A few that come together are no such program: what counts is some 20 ms.
void CapturePace::captured(std::size_t transactions, Clock::time_point asked, Clock::time_point locked,
                           Clock::time_point done) {
  constexpr std::chrono::microseconds kWaited{300};
  constexpr double kWeight = 0.125, kMostTimes = 0.5;
  constexpr double kRemembered_ms = 20, kDensePerMillisecond = 1;
  const double milliseconds = std::chrono::duration<double, std::milli>(done - done_).count();
  const double old = std::exp(-milliseconds / kRemembered_ms);
  per_millisecond_ *= old;
  if (milliseconds > 0) per_millisecond_ += (1 - old) * static_cast<double>(transactions) / milliseconds;
  waits_ += kWeight * ((locked - asked > kWaited ? 1 : 0) - waits_);
  is_dense_ = waits_ > kMostTimes || per_millisecond_ > kDensePerMillisecond;
  done_ = done;
}

}  // namespace colony
