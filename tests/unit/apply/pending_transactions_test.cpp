#include "replicator/apply/pending_transactions.h"

#include <gtest/gtest.h>

namespace colony {
namespace {

ChunkNumber p(std::uint64_t number) { return ChunkNumber(number); }

WriteSet touching(std::vector<std::uint64_t> writes) { return {writes, writes}; }

std::vector<std::uint64_t> numbers(const std::set<ChunkNumber>& chunks) {
  std::vector<std::uint64_t> out;
  for (const ChunkNumber chunk : chunks) out.push_back(chunk.value());
  return out;
}

std::set<ChunkNumber> overlapping_with(const PendingTransactions& pending, const std::vector<std::uint64_t>& overlaps) {
  OverlappingTransactions overlapping(pending);
  overlapping.ask(overlaps);
  return overlapping.transactions();
}

using Numbers = std::vector<std::uint64_t>;

TEST(Pending, nothing_overlaps_where_nothing_waits) {
  PendingTransactions pending;
  EXPECT_TRUE(pending.empty());
  EXPECT_EQ(pending.end(), p(0));
  EXPECT_EQ(numbers(overlapping_with(pending, {1, 2, 3})), Numbers());
}

TEST(Pending, those_that_write_the_same_overlap_and_no_others) {
  PendingTransactions pending;
  pending.add(p(1), p(1), touching({10}));
  pending.add(p(2), p(2), touching({20}));
  pending.add(p(3), p(3), touching({10, 30}));
  EXPECT_EQ(numbers(overlapping_with(pending, {10})), (Numbers{1, 3}));
  EXPECT_EQ(numbers(overlapping_with(pending, {30})), (Numbers{3}));
  EXPECT_EQ(numbers(overlapping_with(pending, {99})), Numbers());
}

TEST(Pending, later_ones_that_build_on_an_overlapping_one_overlap_too) {
  PendingTransactions pending;
  pending.add(p(1), p(1), touching({10, 20}));
  pending.add(p(2), p(2), touching({20, 30}));
  pending.add(p(3), p(3), touching({30, 40}));
  pending.add(p(4), p(4), touching({50}));
  EXPECT_EQ(numbers(overlapping_with(pending, {10})), (Numbers{1, 2, 3}));
}

TEST(Pending, earlier_ones_that_an_overlapping_one_builds_on_do_not) {
  PendingTransactions pending;
  pending.add(p(1), p(1), touching({10}));
  pending.add(p(2), p(2), touching({10, 20}));
  pending.add(p(3), p(3), touching({20}));
  EXPECT_EQ(numbers(overlapping_with(pending, {20})), (Numbers{2, 3}));
}

// Found first through a late transaction, then through an earlier one.
TEST(Pending, write_that_was_looked_at_late_is_looked_at_again_earlier) {
  PendingTransactions pending;
  pending.add(p(1), p(1), touching({10, 7}));
  pending.add(p(2), p(2), touching({7}));
  pending.add(p(3), p(3), touching({11, 7}));
  pending.add(p(4), p(4), touching({7}));
  EXPECT_EQ(numbers(overlapping_with(pending, {11})), (Numbers{3, 4}));
  EXPECT_EQ(numbers(overlapping_with(pending, {11, 10})), (Numbers{1, 2, 3, 4}));
}

TEST(Pending, asking_and_being_asked_are_two_things) {
  PendingTransactions pending;
  pending.add(p(1), p(1), {.writes = {1}, .overlaps = {2}});
  pending.add(p(2), p(2), {.writes = {2}, .overlaps = {3}});
  pending.add(p(3), p(3), {.writes = {2}, .overlaps = {2}});
  EXPECT_EQ(numbers(overlapping_with(pending, {3})), Numbers());
  EXPECT_EQ(numbers(overlapping_with(pending, {1})), (Numbers{1, 2, 3}));
}

TEST(Pending, thousands_that_touch_one_row_are_all_met) {
  PendingTransactions pending;
  for (std::uint64_t i = 1; i <= 5000; ++i) pending.add(p(i), p(i), touching({1, 1000 + i}));
  EXPECT_EQ(overlapping_with(pending, {1}).size(), 5000u);
  EXPECT_EQ(overlapping_with(pending, {3500}).size(), 2501u);
}

TEST(Pending, absorbed_ones_overlap_no_more) {
  PendingTransactions pending;
  pending.add(p(1), p(1), touching({10}));
  pending.add(p(2), p(3), touching({10}));
  EXPECT_EQ(pending.first_chunk(p(3)), p(2));
  pending.remove(p(1));
  EXPECT_EQ(numbers(overlapping_with(pending, {10})), (Numbers{3}));
  pending.remove(p(3));
  pending.remove(p(3));
  EXPECT_TRUE(pending.empty());
  EXPECT_EQ(pending.end(), p(3));  // those that come are later
  EXPECT_EQ(numbers(overlapping_with(pending, {10})), Numbers());
}

TEST(Pending, writes_of_a_redo_come_on_top) {
  PendingTransactions pending;
  pending.add(p(1), p(2), touching({10}));
  pending.add_writes(p(2), touching({20}));
  EXPECT_EQ(numbers(overlapping_with(pending, {10})), (Numbers{2}));
  EXPECT_EQ(numbers(overlapping_with(pending, {20})), (Numbers{2}));
  EXPECT_EQ(pending.first_chunk(p(2)), p(1));
}

TEST(Pending, later_ones_with_a_write_are_found_within_bounds) {
  PendingTransactions pending;
  for (std::uint64_t i = 1; i <= 4; ++i) pending.add(p(i), p(i), touching({10, 20 + i}));
  const auto found = [&](std::uint64_t write, ChunkNumber after, ChunkNumber until) {
    Numbers out;
    pending.for_each_later(write, after, until, [&](ChunkNumber last) { out.push_back(last.value()); });
    return out;
  };
  EXPECT_EQ(found(10, p(0), kNoEnd), (Numbers{1, 2, 3, 4}));
  EXPECT_EQ(found(10, p(1), p(3)), (Numbers{2, 3}));
  EXPECT_EQ(found(10, p(4), kNoEnd), Numbers());
  EXPECT_EQ(found(11, p(0), kNoEnd), Numbers());
}

TEST(Pending, what_is_added_by_hand_brings_those_that_meet_it) {
  PendingTransactions pending;
  pending.add(p(1), p(1), touching({10}), 5);
  pending.add(p(2), p(2), touching({10, 20}), 7);
  pending.add(p(3), p(3), touching({20}), 11);
  OverlappingTransactions overlapping(pending);
  overlapping.add(p(2));
  EXPECT_EQ(numbers(overlapping.transactions()), (Numbers{2, 3}));
  EXPECT_EQ(overlapping.work(), 18u);
  overlapping.ask({10});
  EXPECT_EQ(numbers(overlapping.transactions()), (Numbers{1, 2, 3}));
  EXPECT_EQ(overlapping.work(), 23u);
}

TEST(Pending, clear_forgets_all) {
  PendingTransactions pending;
  pending.add(p(5), p(5), touching({10}));
  EXPECT_EQ(pending.all(), std::vector<ChunkNumber>{p(5)});
  pending.clear();
  EXPECT_TRUE(pending.empty());
  EXPECT_EQ(pending.end(), p(0));
}

}  // namespace
}  // namespace colony
