#include "replicator/sidecar/retry_pause.h"

#include <time.h>

#include <algorithm>

namespace colony {
namespace {

constexpr int kRestPerWork = 20;

}  // namespace

RetryPause::Duration RetryPause::after(Duration took) {
  return std::clamp<Duration>(std::min(took, kMax) * kRestPerWork, kLookEvery, kMax);
}

RetryPause::Duration RetryPause::processor_time() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace colony
