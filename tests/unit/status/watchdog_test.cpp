#include "replicator/status/watchdog.h"

#include <gtest/gtest.h>

namespace colony {
namespace {

using namespace std::chrono_literals;

class WatchdogTest : public testing::Test {
 protected:
  WatchdogTest() { status_.state = State::kRunning; }

  LoopProgress::View busy(const char* step, LoopProgress::Clock::duration since) const {
    return {false, step, now_ - since};
  }
  std::string stalled() const { return find_stall(loops_, status_, now_).loop; }

  LoopProgress::Clock::time_point now_ = LoopProgress::Clock::time_point() + 1h;
  LoopProgressViews loops_;
  StatusView status_;
};

TEST_F(WatchdogTest, loops_that_rest_are_not_stalled_however_long) { EXPECT_EQ(stalled(), ""); }

TEST_F(WatchdogTest, each_loop_is_named_with_what_it_does_once_it_has_not_moved_for_long) {
  LoopProgress::View* const loops[] = {&loops_.applier, &loops_.publisher, &loops_.housekeeper, &loops_.heartbeat,
                                       &loops_.proofs};
  const char* const names[] = {"applier", "publisher", "housekeeper", "heartbeat", "proof worker"};
  for (std::size_t i = 0; i < std::size(loops); ++i) {
    *loops[i] = busy("working", 7s);
    EXPECT_EQ(stalled(), "");
    *loops[i] = busy("working", 9s);
    const StatusView::Stall stall = find_stall(loops_, status_, now_);
    EXPECT_EQ(stall.loop, names[i]);
    EXPECT_EQ(stall.doing, "working");
    EXPECT_FALSE(stall.advice.empty());
    EXPECT_EQ(stall.since, now_ - 9s);
    *loops[i] = {};
  }
}

TEST_F(WatchdogTest, long_wait_for_the_write_lock_is_no_stall) {
  loops_.applier = busy("applying", 30s);
  status_.lock_wait = now_ - 30s;
  EXPECT_EQ(stalled(), "");
  loops_.publisher = busy("waiting", 30s);
  EXPECT_EQ(stalled(), "");
}

TEST_F(WatchdogTest, broker_that_is_not_there_and_a_halted_node_are_reported_as_that) {
  loops_.applier = loops_.publisher = loops_.heartbeat = busy("asking", 1h);
  for (const State state : {State::kWaitingForBroker, State::kHalted}) {
    status_.state = state;
    EXPECT_EQ(stalled(), "");
  }
  loops_.housekeeper = busy("storing", 10s);
  EXPECT_EQ(stalled(), "housekeeper");
}

TEST_F(WatchdogTest, publisher_is_not_blamed_for_what_the_applier_has_not_read) {
  loops_.publisher = busy("waiting", 20s);
  loops_.applier = busy("applying", 1s);
  EXPECT_EQ(stalled(), "");
  loops_.applier = {};
  EXPECT_EQ(stalled(), "publisher");
}

TEST_F(WatchdogTest, longest_stall_is_told) {
  loops_.housekeeper = busy("storing", 10s);
  loops_.proofs = busy("hashing", 20s);
  EXPECT_EQ(stalled(), "proof worker");
}

TEST_F(WatchdogTest, progress_within_a_step_counts_and_beginning_anew_what_failed_does_not) {
  LoopProgress loop_progress;
  EXPECT_TRUE(loop_progress.view().resting);
  loop_progress.go_on_with("telling");
  const auto began = loop_progress.view().since;
  while (LoopProgress::Clock::now() <= began) continue;
  loop_progress.go_on_with("telling");
  EXPECT_EQ(loop_progress.view().since, began);
  loop_progress.advance();
  EXPECT_GT(loop_progress.view().since, began);
  loop_progress.rest();
  EXPECT_TRUE(loop_progress.view().resting);
}

TEST_F(WatchdogTest, status_tells_the_stall_until_it_ends) {
  LoopProgresses loop_progresses;
  Status status;
  Watchdog watchdog(loop_progresses, status);
  loop_progresses.housekeeper.begin("storing a snapshot");
  const auto now = LoopProgress::Clock::now();
  watchdog.look(now);
  EXPECT_EQ(status.view().stalled.loop, "");
  watchdog.look(now + 10s);
  EXPECT_EQ(status.view().stalled.loop, "");
  watchdog.look(now + 11s);
  EXPECT_EQ(status.view().stalled.loop, "housekeeper");
  EXPECT_EQ(status.view().stalled.doing, "storing a snapshot");
  loop_progresses.housekeeper.rest();
  watchdog.look(now + 12s);
  EXPECT_EQ(status.view().stalled.loop, "");
}

}  // namespace
}  // namespace colony
