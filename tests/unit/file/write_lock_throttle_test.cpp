#include "replicator/file/write_lock_throttle.h"

#include <gtest/gtest.h>

namespace colony {
namespace {

using namespace std::chrono_literals;
using Clock = WriteLockThrottle::Clock;

class WriteLockThrottleTest : public testing::Test {
 protected:
  // The lock is held for that long, and let go.
  void hold(Clock::duration time, bool others_wrote = false) {
    throttle_.held(now_, now_ + time, others_wrote);
    now_ += time;
  }

  WriteLockThrottle throttle_;
  Clock::time_point now_ = Clock::time_point() + 1h;
};

TEST_F(WriteLockThrottleTest, what_is_done_now_and_then_is_not_delayed) {
  hold(4ms);
  EXPECT_EQ(throttle_.rest(now_), 0ms);
}

TEST_F(WriteLockThrottleTest, lock_is_left_alone_for_as_long_as_it_was_held) {
  hold(20ms);
  EXPECT_EQ(throttle_.rest(now_), 15ms);  // five may be held at once
  now_ += 15ms;
  EXPECT_EQ(throttle_.rest(now_), 0ms);
}

TEST_F(WriteLockThrottleTest, lock_is_left_alone_three_times_as_long_beside_an_app_that_writes) {
  hold(20ms, true);
  EXPECT_EQ(throttle_.rest(now_), 45ms);
}

TEST_F(WriteLockThrottleTest, file_that_is_late_has_half_of_the_time_beside_an_app_too) {
  throttle_.set_late(true);
  hold(20ms, true);
  EXPECT_EQ(throttle_.rest(now_), 15ms);
}

TEST_F(WriteLockThrottleTest, short_rounds_without_a_rest_add_up) {
  for (int i = 0; i < 5; ++i) hold(4ms);
  EXPECT_GT(throttle_.rest(now_), 10ms);
}

TEST_F(WriteLockThrottleTest, one_long_time_under_the_lock_is_not_paid_back_in_full) {
  hold(10s, true);
  EXPECT_LE(throttle_.rest(now_), 135ms);
}

TEST_F(WriteLockThrottleTest, app_counts_as_writing_for_two_seconds) {
  EXPECT_FALSE(throttle_.app_writes(now_));
  hold(1ms, true);
  EXPECT_TRUE(throttle_.app_writes(now_));
  now_ += 3s;
  EXPECT_FALSE(throttle_.app_writes(now_));
}

}  // namespace
}  // namespace colony
