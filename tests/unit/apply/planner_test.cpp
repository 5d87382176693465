// Which entries count: a function of the log alone. planner_transcript.h has the notation.
#include "replicator/apply/planner.h"

#include <gtest/gtest.h>

#include "tests/unit/apply/planner_transcript.h"

namespace colony {
namespace {

using unit::Ahead;
using unit::replanned;

void expect_planned(const std::string& transcript) { EXPECT_EQ(replanned(transcript), transcript); }

TEST(Planner, leave_frees_the_name_and_ends_that_life_for_ever) {
  expect_planned(R"(
b hello        -> hello
c hello        -> hello
b leaves       -> leave of b
b leaves       -> ignored
b removes c    -> ignored
b: 1 x         -> ignored
b hello        -> ignored
b/2 hello      -> hello
c removes b    -> ignored
b/2: 1 x       -> apply 1 x, up to 1
)");
}

TEST(Planner, life_that_left_before_is_known_from_the_file) {
  expect_planned(R"(
file: 7 departed
b/7 hello      -> ignored
c/7 hello      -> ignored
b/8 hello      -> hello
)");
}

TEST(Planner, leave_of_another_counts_if_it_is_a_member_and_so_is_the_remover) {
  expect_planned(R"(
b hello            -> hello
nobody removes b   -> ignored
b removes nobody   -> ignored
c/2 hello          -> hello
b removes c/7      -> ignored
b removes c/2      -> leave of c
)");
}

TEST(Planner, leave_drops_the_beginning_of_a_transaction) {
  expect_planned(R"(
b hello        -> hello
c/3 hello      -> hello
b: 1 x-        -> keep 1 x, up to 1
c/3 removes b  -> leave of b
b/2 hello      -> hello
b/2: 1 y       -> apply 1 y, up to 1
)");
}

TEST(Planner, leave_drops_the_beginning_that_the_file_keeps) {
  expect_planned(R"(
file: b at 4
file: b unfinished
b leaves       -> leave of b
b/2 hello      -> hello
b/2: 1 y       -> apply 1 y, up to 1
)");
}

TEST(Planner, what_is_no_entry_is_ignored) {
  expect_planned(R"(
b noise        -> no entry
b nothing      -> no entry
)");
}

TEST(Planner, entry_under_another_name_is_ignored) {
  expect_planned(R"(
b hello            -> hello
b barrier          -> barrier
b barrier under c  -> no entry
)");
}

TEST(Planner, node_is_heard_only_after_its_hello) {
  expect_planned(R"(
b: 1 x         -> ignored
b barrier      -> ignored
b hello        -> hello
b: 1 x         -> apply 1 x, up to 1
)");
}

TEST(Planner, name_belongs_to_the_incarnation_that_came_first) {
  expect_planned(R"(
b hello        -> hello
b/2 hello      -> ignored
b/2: 1 x       -> ignored
# It may say where it lives now.
b hello        -> hello
b: 1 x         -> apply 1 x, up to 1
)");
}

TEST(Planner, second_hello_does_not_move_the_high_water_mark) {
  expect_planned(R"(
b hello        -> hello
b: 1 x y       -> apply 1 x, apply 2 y, up to 2
b hello        -> hello
b: 2 y         -> ignored
b: 3 z         -> apply 3 z, up to 3
)");
}

TEST(Planner, chunks_count_in_turn) {
  expect_planned(R"(
b hello        -> hello
b: 1 x y       -> apply 1 x, apply 2 y, up to 2
b: 3 z         -> apply 3 z, up to 3
)");
}

TEST(Planner, duplicates_are_ignored) {
  expect_planned(R"(
b hello        -> hello
b: 1 x y       -> apply 1 x, apply 2 y, up to 2
b: 1 x y       -> ignored
b: 2 y         -> ignored
)");
}

TEST(Planner, of_an_overlap_only_the_new_chunks_count) {
  expect_planned(R"(
b hello        -> hello
b: 1 x y       -> apply 1 x, apply 2 y, up to 2
b: 2 y z zz    -> apply 3 z, apply 4 zz, up to 4
)");
}

TEST(Planner, what_begins_beyond_the_next_chunk_is_out_of_turn) {
  expect_planned(R"(
b hello        -> hello
b: 2 y         -> out of turn
b: 1 x         -> apply 1 x, up to 1
b: 3 z         -> out of turn
b: 2 y         -> apply 2 y, up to 2
)");
}

TEST(Planner, origins_do_not_touch_one_another) {
  expect_planned(R"(
b hello        -> hello
c hello        -> hello
b: 1 x         -> apply 1 x, up to 1
c: 1 y         -> apply 1 y, up to 1
c: 3 y         -> out of turn
b: 2 x         -> apply 2 x, up to 2
)");
}

TEST(Planner, high_water_marks_of_the_file_count) {
  expect_planned(R"(
file: b at 7
b: 7 x         -> ignored
b: 8 y         -> apply 8 y, up to 8
b/2: 9 y       -> ignored
)");
}

TEST(Planner, fragments_are_kept_until_the_last_has_come) {
  expect_planned(R"(
b hello        -> hello
b: 1 one- two- -> keep 1 one, keep 2 two, up to 2
b: 3 three     -> apply 3 one+two+three, up to 3
b: 4 next      -> apply 4 next, up to 4
)");
}

TEST(Planner, transaction_in_fragments_within_one_entry) {
  expect_planned(R"(
b hello                          -> hello
b: 1 small one- two other begun- -> apply 1 small, apply 3 one+two, apply 4 other, keep 5 begun, up to 5
b: 6 ended                       -> apply 6 begun+ended, up to 6
)");
}

TEST(Planner, two_transactions_in_fragments_within_one_entry) {
  expect_planned(R"(
b hello            -> hello
b: 1 k- l m- n     -> apply 2 k+l, apply 4 m+n, up to 4
)");
}

TEST(Planner, fragments_of_two_origins_are_not_mixed) {
  expect_planned(R"(
b hello        -> hello
c hello        -> hello
b: 1 b-        -> keep 1 b, up to 1
c: 1 c-        -> keep 1 c, up to 1
b: 2 end       -> apply 2 b+end, up to 2
c: 2 end       -> apply 2 c+end, up to 2
)");
}

TEST(Planner, duplicate_of_a_fragment_is_not_added_twice) {
  expect_planned(R"(
b hello        -> hello
b: 1 one-      -> keep 1 one, up to 1
b: 1 one-      -> ignored
b: 1 one- two  -> apply 2 one+two, up to 2
)");
}

TEST(Planner, fragments_in_the_file_are_the_beginning) {
  expect_planned(R"(
file: b at 5
file: b unfinished
b: 6 six       -> apply 6 file+six, up to 6
b: 7 seven     -> apply 7 seven, up to 7
)");
}

TEST(Planner, fragments_in_the_file_come_before_those_of_later_messages) {
  expect_planned(R"(
file: b at 5
file: b unfinished
b: 6 six-      -> keep 6 six, up to 6
b: 7 seven     -> apply 7 file+six+seven, up to 7
)");
}

TEST(Planner, own_chunks_that_wait_in_the_outbox_are_absorbed) {
  expect_planned(R"(
file: outbox to 2
self hello     -> hello
self: 1 x y    -> outbox has 1 x, outbox has 2 y, own 1, own 2, up to 2
)");
}

TEST(Planner, own_transaction_of_many_chunks_is_absorbed_with_its_last) {
  expect_planned(R"(
file: outbox to 3
self hello        -> hello
self: 1 one- two- -> outbox has 1 one-, outbox has 2 two-, up to 2
self: 3 three     -> outbox has 3 three, own 3, up to 3
)");
}

TEST(Planner, own_chunks_that_an_older_backup_forgot_are_applied) {
  expect_planned(R"(
self hello             -> hello
self: 1 forgotten too  -> apply 1 forgotten, apply 2 too, up to 2
)");
}

TEST(Planner, own_chunks_are_applied_from_where_an_older_backup_ends) {
  expect_planned(R"(
file: outbox to 1
self hello             -> hello
self: 1 x forgotten    -> outbox has 1 x, own 1, apply 2 forgotten, up to 2
)");
}

TEST(Planner, another_life_with_this_name_is_not_this_file) {
  expect_planned(R"(
file: outbox to 1
self hello     -> hello
self leaves    -> leave of self
self/2 hello   -> hello
self/2: 1 x    -> apply 1 x, up to 1
)");
}

TEST(Planner, entry_of_a_newer_format_halts) {
  expect_planned(R"(
b newer format -> halt: an entry of node b is of a newer format (version 9, kind 3): upgrade Colony on this node
)");
}

TEST(Planner, questions_and_answers_of_a_known_node) {
  expect_planned(R"(
b hello        -> hello
b barrier      -> barrier
b question     -> question
b proof        -> proof
b/2 barrier    -> ignored
)");
}

// With and without a look at the signatures ahead.
class SignedPlanner : public testing::TestWithParam<Ahead> {
 protected:
  static void expect_planned(const std::string& transcript) {
    EXPECT_EQ(replanned(transcript, GetParam()), transcript);
  }
};

TEST_P(SignedPlanner, whatever_comes_counts_until_somebody_is_trusted) {
  expect_planned(R"(
b hello                     -> hello
b barrier signed o          -> barrier
b trust 1 b=b c=o signed b  -> trust 1
b barrier                   -> untrusted
b barrier signed o          -> untrusted
b barrier signed b          -> barrier
)");
}

TEST_P(SignedPlanner, trust_of_the_file_counts) {
  expect_planned(R"(
file: trust 1 b=b c=o
file: b at 0
b barrier signed o          -> untrusted
b barrier signed b          -> barrier
d hello signed d            -> untrusted
)");
}

TEST_P(SignedPlanner, the_first_keys_are_believed_to_who_holds_one_of_them) {
  expect_planned(R"(
b hello                     -> hello
d hello                     -> hello
b trust 1 b=b c=o           -> ignored
b trust 1 b=b c=o signed o  -> ignored
d trust 1 b=b c=o signed b  -> ignored
b trust 2 b=b c=o signed b  -> ignored
b trust 1 b=b c=o signed b  -> trust 1
)");
}

TEST_P(SignedPlanner, keys_count_once_and_in_their_order) {
  expect_planned(R"(
b hello                     -> hello
b trust 1 b=b c=o signed b  -> trust 1
b trust 1 b=b c=o signed b  -> ignored
b trust 3 b=b c=o signed b  -> ignored
b trust 2 b=o signed b      -> trust 2
b trust 3 b=b c=o signed b  -> untrusted
b trust 3 b=b c=o signed o  -> trust 3
)");
}

TEST_P(SignedPlanner, an_old_hello_does_not_count_again) {
  expect_planned(R"(
b hello signed b            -> hello
b trust 1 b=b c=o signed b  -> trust 1
b hello signed b seen 0     -> ignored
b hello signed b seen 2     -> hello
)");
}

TEST_P(SignedPlanner, a_newer_format_stops_it_only_if_a_member_has_signed_it) {
  expect_planned(R"(
b hello signed b            -> hello
b trust 1 b=b c=o signed b  -> trust 1
b newer kind signed o       -> untrusted
b newer kind signed b       -> halt: an entry of node b is of a newer format (version 2, kind 77): upgrade Colony on this node
)");
}

INSTANTIATE_TEST_SUITE_P(Planner, SignedPlanner, testing::Values(Ahead::kNothing, Ahead::kSignatures));

}  // namespace
}  // namespace colony
