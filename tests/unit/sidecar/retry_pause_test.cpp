// How often a halted node tries again.
#include "replicator/sidecar/retry_pause.h"

#include <gtest/gtest.h>

namespace colony {
namespace {

using namespace std::chrono_literals;

TEST(RetryPause, is_three_seconds_where_trying_is_cheap) {
  EXPECT_EQ(RetryPause::after(0s), 3s);
  EXPECT_EQ(RetryPause::after(150ms), 3s);
}

TEST(RetryPause, leaves_a_twentieth_of_the_time_for_trying) {
  EXPECT_EQ(RetryPause::after(1s), 20s);
  EXPECT_EQ(RetryPause::after(10s), 200s);
}

TEST(RetryPause, ends) {
  EXPECT_EQ(RetryPause::after(1h), 10min);
  EXPECT_EQ(RetryPause::after(std::chrono::hours(1'000'000)), 10min);
}

TEST(RetryPause, counts_work_and_not_waiting) {
  RetryPause pause;
  pause.begin();
  EXPECT_EQ(pause.after_failure(), 3s);
}

}  // namespace
}  // namespace colony
