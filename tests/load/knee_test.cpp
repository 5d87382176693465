#include "tests/load/generator/knee.h"

#include <gtest/gtest.h>

namespace load {
namespace {

// A step of 10 s in which so many were answered, each in that time.
Totals step(int answers, std::int64_t ms, std::uint64_t errors = 0) {
  Totals totals;
  totals.seconds = 10;
  for (int n = 0; n < answers; ++n) totals.reads.record(ms * 1'000'000);
  if (errors > 0) totals.errors["write answered 503"] = errors;
  return totals;
}

TEST(KneeSearch, its_rate_is_what_was_answered_at_the_last_good_step) {
  KneeSearch search(250);
  EXPECT_FALSE(search.note(100, step(990, 5), 0));
  EXPECT_FALSE(search.note(120, step(1190, 100), 0));
  EXPECT_TRUE(search.note(144, step(1300, 400), 0));
  EXPECT_DOUBLE_EQ(search.rate(), 119);
  EXPECT_EQ(search.steps().size(), 3U);
  EXPECT_EQ(search.steps()[1]["rate"], 120);
  EXPECT_EQ(search.steps()[1]["over"], false);
  EXPECT_EQ(search.steps()[2]["over"], true);
  EXPECT_NE(search.end().find("p99"), std::string::npos) << search.end();
}

TEST(KneeSearch, a_step_with_errors_is_over_however_quick_it_was) {
  KneeSearch search(250);
  EXPECT_FALSE(search.note(100, step(1000, 5), 0));
  EXPECT_TRUE(search.note(120, step(1200, 1, 1), 0));
  EXPECT_DOUBLE_EQ(search.rate(), 100);
  EXPECT_NE(search.end().find("write answered 503"), std::string::npos) << search.end();
}

TEST(KneeSearch, errors_of_actions_that_were_meant_before_a_step_end_it) {
  KneeSearch search(250);
  EXPECT_FALSE(search.note(100, step(1000, 5), 0));
  EXPECT_TRUE(search.note(120, step(1200, 5), 3));
}

TEST(KneeSearch, without_a_good_step_there_is_no_knee) {
  for (const Totals& totals : {step(1000, 5, 2), step(1000, 300), step(0, 0)}) {
    KneeSearch search(250);
    EXPECT_TRUE(search.note(100, totals, 0));
    EXPECT_EQ(search.rate(), 0);
    EXPECT_NE(search.end().find("the first step"), std::string::npos) << search.end();
  }
}

}  // namespace
}  // namespace load
