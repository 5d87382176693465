#include "replicator/file/write_lock_throttle.h"

#include <algorithm>

namespace colony {
namespace {

using namespace std::chrono_literals;

constexpr auto kAppWritesFor = 2s;  // after it was last seen to
constexpr auto kHeldAtOnce = 5ms;
// After a long time under the lock one look of the app is enough, and it looks
// every 100 ms at least.
constexpr auto kOwedMax = 45ms;
constexpr int kFreePerHeldBesideApp = 3;
constexpr int kFreePerHeldQuiet = 1;

}  // namespace

bool WriteLockThrottle::app_writes(Clock::time_point now) const {
  return others_wrote_ != Clock::time_point::min() && now - others_wrote_ < kAppWritesFor;
}

int WriteLockThrottle::free_per_held(Clock::time_point now) const {
  return app_writes(now) && !late_ ? kFreePerHeldBesideApp : kFreePerHeldQuiet;
}

WriteLockThrottle::Clock::duration WriteLockThrottle::owed(Clock::time_point now) const {
  return std::max(Clock::duration(0), owed_ - (now - until_) / free_per_held(now));
}

void WriteLockThrottle::held(Clock::time_point from, Clock::time_point until, bool others_wrote) {
  if (others_wrote) others_wrote_ = from;
  owed_ = std::min<Clock::duration>(owed(from) + (until - from), kOwedMax);
  until_ = until;
}

WriteLockThrottle::Clock::duration WriteLockThrottle::rest(Clock::time_point now) const {
  return std::max(Clock::duration(0), owed(now) - kHeldAtOnce) * free_per_held(now);
}

}  // namespace colony
