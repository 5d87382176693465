#include <gtest/gtest.h>

#include <set>

#include "replicator/fold/conflict.h"
#include "tests/unit/memory_node.h"

namespace colony {
namespace {

using unit::MemoryNode;

class ConflictJournalTest : public testing::Test {
 protected:
  void add(std::uint64_t sequence, const std::string& origin, std::uint64_t chunk, int count = 1) {
    Conflicts conflicts;
    for (int i = 0; i < count; ++i) {
      conflicts.add({ConflictKind::kUpdateDiffers, "t", "{\"k\":" + std::to_string(i) + "}", "{}"});
    }
    journal_.add(Sequence(sequence), origin, ChunkNumber(chunk), conflicts, rows_max_);
  }
  std::string kept() { return unit::rows(node_.db(), "(SELECT sequence, origin, piece, n FROM __colony_conflicts)"); }

  MemoryNode node_{"CREATE TABLE t(k INTEGER PRIMARY KEY)"};
  ConflictJournal journal_{node_.db()};
  std::int64_t rows_max_ = 100;
};

TEST_F(ConflictJournalTest, of_more_conflicts_than_it_keeps_only_the_latest_are_written) {
  rows_max_ = 2;
  add(5, "b", 1, 4);
  EXPECT_EQ(kept(), "5 'b' 1 2\n5 'b' 1 3\n");
}

TEST_F(ConflictJournalTest, conflicts_are_kept_with_what_they_are) {
  Conflicts conflicts;
  conflicts.add({ConflictKind::kDisplaced, "t", "{\"k\":1}", "{\"k\":1,\"a\":2}"});
  journal_.add(Sequence(5), "b", ChunkNumber(2), conflicts, rows_max_);
  EXPECT_EQ(node_.rows("__colony_conflicts"), "5 'b' 2 0 'displaced' 't' '{\"k\":1}' '{\"k\":1,\"a\":2}'\n");
}

TEST_F(ConflictJournalTest, several_of_one_transaction_are_numbered) {
  add(5, "b", 2, 3);
  EXPECT_EQ(kept(), "5 'b' 2 0\n5 'b' 2 1\n5 'b' 2 2\n");
}

TEST_F(ConflictJournalTest, pending_ones_are_forgotten_with_their_undo) {
  add(0, "a", 1, 2);
  add(0, "a", 2);
  add(3, "a", 1);
  journal_.forget_pending("a", ChunkNumber(1));
  EXPECT_EQ(kept(), "0 'a' 2 0\n3 'a' 1 0\n");
}

TEST_F(ConflictJournalTest, pending_ones_settle_where_their_transaction_is_absorbed) {
  add(0, "a", 1, 2);
  add(0, "a", 2);
  EXPECT_TRUE(journal_.settle_pending(Sequence(9), "a", ChunkNumber(1)));
  EXPECT_FALSE(journal_.settle_pending(Sequence(9), "a", ChunkNumber(1)));
  EXPECT_EQ(kept(), "0 'a' 2 0\n9 'a' 1 0\n9 'a' 1 1\n");
}

TEST_F(ConflictJournalTest, trim_keeps_the_latest) {
  add(1, "b", 1, 2);
  add(2, "a", 1);
  add(2, "b", 2);
  add(10, "a", 2, 2);
  journal_.trim(3);
  EXPECT_EQ(kept(), "2 'b' 2 0\n10 'a' 2 0\n10 'a' 2 1\n");
  journal_.trim(3);
  EXPECT_EQ(kept(), "2 'b' 2 0\n10 'a' 2 0\n10 'a' 2 1\n");
  journal_.trim(100);
  EXPECT_EQ(kept(), "2 'b' 2 0\n10 'a' 2 0\n10 'a' 2 1\n");
}

// They have no place in the order yet, and may be many on one node only.
TEST_F(ConflictJournalTest, trim_neither_counts_nor_removes_pending_ones) {
  add(0, "a", 1, 5);
  add(1, "b", 1);
  add(2, "b", 2);
  journal_.trim(1);
  EXPECT_EQ(kept(), "0 'a' 1 0\n0 'a' 1 1\n0 'a' 1 2\n0 'a' 1 3\n0 'a' 1 4\n2 'b' 2 0\n");
}

TEST_F(ConflictJournalTest, trim_step_by_step_leaves_what_trim_at_once_leaves) {
  for (std::uint64_t sequence = 1; sequence <= 20; ++sequence) {
    add(sequence, sequence % 2 ? "a" : "b", sequence, 1 + static_cast<int>(sequence % 3));
    journal_.trim(7);
  }
  const std::string step_by_step = kept();
  node_.run("DELETE FROM __colony_conflicts");
  for (std::uint64_t sequence = 1; sequence <= 20; ++sequence) {
    add(sequence, sequence % 2 ? "a" : "b", sequence, 1 + static_cast<int>(sequence % 3));
  }
  journal_.trim(7);
  EXPECT_EQ(kept(), step_by_step);
}

TEST_F(ConflictJournalTest, every_kind_has_a_name_of_its_own) {
  std::set<std::string> names;
  for (const ConflictKind kind :
       {ConflictKind::kInsertExists, ConflictKind::kUpdateDiffers, ConflictKind::kUpdateMissing,
        ConflictKind::kDeleteDiffers, ConflictKind::kDeleteMissing, ConflictKind::kDisplaced}) {
    names.insert(to_string(kind));
  }
  EXPECT_EQ(names.size(), 6u);
  EXPECT_FALSE(names.contains(""));
}

}  // namespace
}  // namespace colony
