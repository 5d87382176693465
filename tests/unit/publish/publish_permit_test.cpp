#include "replicator/publish/publish_permit.h"

#include <gtest/gtest.h>

#include <thread>

namespace colony {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

TEST(PublishPermit, question_is_open_from_the_start) {
  PublishPermit permit;
  EXPECT_FALSE(permit.view().granted);
  EXPECT_TRUE(permit.open_question());
}

TEST(PublishPermit, grant_answers_the_question) {
  PublishPermit permit;
  permit.grant(*permit.open_question());
  EXPECT_TRUE(permit.view().granted);
  EXPECT_EQ(permit.view().grants, 1u);
  EXPECT_FALSE(permit.open_question());
}

TEST(PublishPermit, grant_of_an_older_question_counts_for_nothing) {
  PublishPermit permit;
  const std::uint64_t first = *permit.open_question();
  permit.need_resync();
  permit.grant(first);
  EXPECT_FALSE(permit.view().granted);
  EXPECT_NE(*permit.open_question(), first);
  permit.grant(*permit.open_question());
  EXPECT_TRUE(permit.view().granted);
}

TEST(PublishPermit, resync_takes_the_grant_back) {
  PublishPermit permit;
  permit.grant(*permit.open_question());
  permit.need_resync();
  EXPECT_FALSE(permit.view().granted);
  permit.grant(*permit.open_question());
  EXPECT_EQ(permit.view().grants, 2u);
}

TEST(PublishPermit, what_was_accepted_is_seen) {
  PublishPermit permit;
  permit.accepted(ChunkNumber(7), true);
  permit.set_entry_bytes_max(100);
  EXPECT_EQ(permit.view().accepted, ChunkNumber(7));
  EXPECT_TRUE(permit.view().introduced);
  EXPECT_EQ(permit.view().entry_bytes_max, 100u);
}

// Each of these would wait an hour if it were not woken.
TEST(PublishPermit, work_that_came_before_the_wait_is_not_slept_through) {
  PublishPermit permit;
  permit.work();
  permit.wait_for_work(hours(1));
  permit.accepted(ChunkNumber(1), false);
  permit.wait_for_work(hours(1));
  permit.grant(*permit.open_question());
  permit.wait_for_work(hours(1));
}

TEST(PublishPermit, work_wakes_who_waits) {
  PublishPermit permit;
  std::thread other([&] { permit.work(); });
  permit.wait_for_work(hours(1));
  other.join();
}

TEST(PublishPermit, nothing_new_is_no_work) {
  PublishPermit permit;
  permit.accepted(ChunkNumber(1), true);
  permit.wait_for_work(hours(1));
  permit.accepted(ChunkNumber(1), true);
  const auto begin = std::chrono::steady_clock::now();
  permit.wait_for_work(milliseconds(1));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(1));
}

}  // namespace
}  // namespace colony
