#include "replicator/sidecar/capture_pace.h"

#include <gtest/gtest.h>

namespace colony {
namespace {

using namespace std::chrono_literals;
using Clock = CapturePace::Clock;

class CapturePaceTest : public ::testing::Test {
 protected:
  void capture_after(Clock::duration time, std::size_t transactions, Clock::duration waited = 0us) {
    now_ += time;
    pace_.captured(transactions, now_ - waited, now_, now_);
  }
  Clock::duration pause() const { return pace_.next() - now_; }

  CapturePace pace_;
  Clock::time_point now_ = Clock::now();
};

TEST_F(CapturePaceTest, commits_now_and_then_are_captured_at_once) {
  for (int i = 0; i < 100; ++i) capture_after(2ms, 1);
  EXPECT_EQ(pause(), 0us);
}

TEST_F(CapturePaceTest, two_commits_one_right_after_the_other_are_no_load) {
  for (int i = 0; i < 100; ++i) {
    capture_after(3800us, 1);
    capture_after(200us, 1);
    ASSERT_EQ(pause(), 0us) << "after " << i << " pairs";
  }
}

TEST_F(CapturePaceTest, what_has_queued_up_meanwhile_is_no_load) {
  for (int i = 0; i < 20; ++i) capture_after(2ms, 1);
  capture_after(100ms, 50);
  EXPECT_EQ(pause(), 0us);
}

TEST_F(CapturePaceTest, a_program_that_commits_all_the_time_is_left_alone_most_of_the_time) {
  for (int i = 0; i < 50; ++i) capture_after(200us, 2);
  EXPECT_EQ(pause(), 50ms);
  capture_after(50ms, 500);
  EXPECT_EQ(pause(), 50ms);
  for (int i = 0; i < 20; ++i) capture_after(10ms, 1);
  EXPECT_EQ(pause(), 0us);
}

TEST_F(CapturePaceTest, a_program_that_has_the_lock_most_times_is_left_alone_most_of_the_time) {
  for (int i = 0; i < 20; ++i) capture_after(10ms, 1, 5ms);
  EXPECT_EQ(pause(), 50ms);
  for (int i = 0; i < 20; ++i) capture_after(50ms, 1);
  EXPECT_EQ(pause(), 0us);
}

}  // namespace
}  // namespace colony
