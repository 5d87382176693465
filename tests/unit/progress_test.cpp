#include "replicator/node/progress.h"

#include <gtest/gtest.h>

#include <thread>

namespace colony {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

TEST(Progress, question_is_open_from_the_start) {
  Progress progress;
  EXPECT_FALSE(progress.view().granted);
  EXPECT_TRUE(progress.open_question());
}

TEST(Progress, grant_answers_the_question) {
  Progress progress;
  progress.grant(*progress.open_question());
  EXPECT_TRUE(progress.view().granted);
  EXPECT_EQ(progress.view().grants, 1u);
  EXPECT_FALSE(progress.open_question());
}

TEST(Progress, grant_of_an_older_question_counts_for_nothing) {
  Progress progress;
  const std::uint64_t first = *progress.open_question();
  progress.need_resync();
  progress.grant(first);
  EXPECT_FALSE(progress.view().granted);
  EXPECT_NE(*progress.open_question(), first);
  progress.grant(*progress.open_question());
  EXPECT_TRUE(progress.view().granted);
}

TEST(Progress, resync_takes_the_grant_back) {
  Progress progress;
  progress.grant(*progress.open_question());
  progress.need_resync();
  EXPECT_FALSE(progress.view().granted);
  progress.grant(*progress.open_question());
  EXPECT_EQ(progress.view().grants, 2u);
}

TEST(Progress, what_was_accepted_is_seen) {
  Progress progress;
  progress.accepted(PieceNumber(7), true);
  progress.set_entry_bytes_max(100);
  EXPECT_EQ(progress.view().accepted, PieceNumber(7));
  EXPECT_TRUE(progress.view().introduced);
  EXPECT_EQ(progress.view().entry_bytes_max, 100u);
}

// Each of these would wait an hour if it were not woken.
TEST(Progress, work_that_came_before_the_wait_is_not_slept_through) {
  Progress progress;
  progress.work();
  progress.wait_for_work(hours(1));
  progress.accepted(PieceNumber(1), false);
  progress.wait_for_work(hours(1));
  progress.grant(*progress.open_question());
  progress.wait_for_work(hours(1));
}

TEST(Progress, work_wakes_who_waits) {
  Progress progress;
  std::thread other([&] { progress.work(); });
  progress.wait_for_work(hours(1));
  other.join();
}

TEST(Progress, nothing_new_is_no_work) {
  Progress progress;
  progress.accepted(PieceNumber(1), true);
  progress.wait_for_work(hours(1));
  progress.accepted(PieceNumber(1), true);
  const auto begin = std::chrono::steady_clock::now();
  progress.wait_for_work(milliseconds(1));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(1));
}

}  // namespace
}  // namespace colony
