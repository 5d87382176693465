#include "replicator/status/progress_rate.h"

namespace colony {
namespace {

using namespace std::chrono_literals;

constexpr auto kWindow = 10s;
constexpr auto kSampleEvery = 100ms;

}  // namespace

void ProgressRate::note(Clock::time_point now, std::uint64_t done) {
  // The last sample is the latest state; the one before it is kept at a distance.
  if (samples_.size() > 1 && now - samples_[samples_.size() - 2].first < kSampleEvery) samples_.pop_back();
  samples_.emplace_back(now, done);
  while (samples_.size() > 2 && now - samples_[1].first >= kWindow) samples_.pop_front();
}

double ProgressRate::per_s() const {
  if (samples_.size() < 2) return 0;
  const std::chrono::duration<double> time = samples_.back().first - samples_.front().first;
  const std::uint64_t done = samples_.back().second - samples_.front().second;
  return time.count() > 0 ? static_cast<double>(done) / time.count() : 0;
}

}  // namespace colony
