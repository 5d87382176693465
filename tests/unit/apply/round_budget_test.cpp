#include "replicator/apply/round_budget.h"

#include <gtest/gtest.h>

namespace colony {
namespace {

using namespace std::chrono_literals;

// How many entries of `applied` work each a round takes in, which undo `undone` each.
std::size_t entries_of_round(const RoundBudget& budget, RoundBudget::Duration time, double applied, double undone) {
  std::size_t entries = 0;
  const auto count = [&] { return static_cast<double>(entries); };
  while (entries < 100'000 && budget.has_room(time, entries, count() * applied, count() * undone)) ++entries;
  return entries;
}

TEST(RoundBudget, first_entry_is_always_taken_in) { EXPECT_TRUE(RoundBudget().has_room(0ms, 0, 0, 1e9)); }

TEST(RoundBudget, round_is_as_long_as_its_time_by_the_experience_of_those_before) {
  RoundBudget budget;
  for (int i = 0; i < 50; ++i) budget.round_done(10ms, 1000, 0);  // 100 per ms
  EXPECT_NEAR(static_cast<double>(entries_of_round(budget, 10ms, 10, 0)), 100, 2);
  EXPECT_NEAR(static_cast<double>(entries_of_round(budget, 4ms, 10, 0)), 40, 2);
}

TEST(RoundBudget, slow_machine_makes_rounds_small) {
  RoundBudget budget;
  for (int i = 0; i < 50; ++i) budget.round_done(1s, 1000, 0);
  EXPECT_LE(entries_of_round(budget, 10ms, 10, 0), 3u);
}

TEST(RoundBudget, little_work_teaches_nothing) {
  RoundBudget budget;
  const std::size_t before = entries_of_round(budget, 10ms, 1, 0);
  for (int i = 0; i < 50; ++i) budget.round_done(1s, 10, 0);
  EXPECT_EQ(entries_of_round(budget, 10ms, 1, 0), before);
}

TEST(RoundBudget, rounds_grow_while_more_is_undone_than_a_multiple_of_what_is_applied) {
  RoundBudget budget;
  budget.round_done(10ms, 100, 5000);  // owes 4,600
  EXPECT_GE(entries_of_round(budget, 10ms, 10, 0), 400u);
  budget.round_done(10ms, 2000, 0);  // which is made up for
  EXPECT_LT(entries_of_round(budget, 10ms, 10, 0), 400u);
}

TEST(RoundBudget, what_is_owed_is_not_bounded_by_time_so_that_catching_up_ends) {
  RoundBudget budget;
  for (int i = 0; i < 50; ++i) budget.round_done(10ms, 1000, 0);  // 100 per ms
  for (int i = 0; i < 3; ++i) budget.round_done(100ms, 10, 14'000);
  EXPECT_GE(entries_of_round(budget, 4ms, 10, 0), 4000u);
}

TEST(RoundBudget, where_much_is_undone_for_one_entry_as_much_is_applied) {
  const RoundBudget budget;
  EXPECT_TRUE(budget.has_room(10ms, 10, 100, 10'000));
  EXPECT_FALSE(budget.has_room(10ms, 100, 20'000, 10'000));
}

}  // namespace
}  // namespace colony
