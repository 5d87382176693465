// Undoing and redoing pending transactions: which, and what it leaves behind.
#include "replicator/apply/rebase.h"

#include <gtest/gtest.h>

#include "tests/unit/memory_node.h"

namespace colony {
namespace {

using unit::MemoryNode;

ChunkNumber p(std::uint64_t number) { return ChunkNumber(number); }

constexpr const char* kSchema = "CREATE TABLE t(k INTEGER PRIMARY KEY, u UNIQUE, a)";
constexpr const char* kRows = "INSERT INTO t VALUES(1, 'x', 0), (2, 'y', 0), (3, 'z', 0)";

class RebaseTest : public testing::Test {
 protected:
  RebaseTest() {
    node_.run(kRows).run("DELETE FROM __colony_outbox");
    schema_.load(db_);
    fold_.schema_changed();
  }
  // Pending transactions, in the order of their numbers.
  void pending(const std::vector<std::string>& statements) {
    for (const std::string& sql : statements) {
      const std::string changeset = node_.changeset_of(sql);
      const ChunkNumber last = file_.outbox_end();
      WriteSet write_set;
      add_to_write_set(schema_, changeset, write_set);
      pending_.add(last, last, std::move(write_set));
    }
  }
  // Somebody else's transaction on the rows as they were.
  std::string foreign(const std::string& sql) { return unit::changeset_at_origin(kSchema, kRows, sql); }
  std::uint64_t shape() const { return combine_shapes(0, schema_.find("t")->shape(3)); }

  // Applies it below the pending transactions that `undo` names, commits, and
  // tells whether it came through.
  bool rebase(const std::string& changeset, std::set<ChunkNumber> undo, std::vector<ChunkNumber> absorb = {}) {
    WriteTransaction transaction(db_);
    Rebase rebase(file_, fold_, schema_, journal_, pending_);
    rebase.undo(std::move(undo));
    if (!changeset.empty()) rebase.apply_foreign(Sequence(5), "b", p(1), changeset, shape());
    for (const ChunkNumber last : absorb) rebase.absorb_own(Sequence(6), last);
    rebase.redo_rest();
    missed_ = rebase.missed();
    if (!missed_.empty()) return false;
    transaction.commit();
    rebase.committed();
    return true;
  }
  std::set<ChunkNumber> overlapping_with(const std::string& changeset) {
    WriteSet write_set;
    add_to_write_set(schema_, changeset, write_set);
    OverlappingTransactions overlapping(pending_);
    overlapping.ask(write_set.overlaps);
    return overlapping.transactions();
  }
  std::string conflicts() {
    return unit::rows(db_, "(SELECT sequence, origin, piece, kind, key FROM __colony_conflicts)");
  }

  MemoryNode node_{kSchema, "a"};
  Database db_{open_for_fold(node_.path())};
  NodeFile file_{db_};
  ReplicatedSchema schema_;
  Fold fold_{db_, schema_};
  ConflictJournal journal_{db_};
  PendingTransactions pending_;
  std::set<ChunkNumber> missed_;  // by the latest rebase()
};

TEST_F(RebaseTest, transaction_that_does_not_overlap_stays_where_it_is) {
  pending({"UPDATE t SET a = 1 WHERE k = 1"});
  const std::string other = foreign("UPDATE t SET a = 2 WHERE k = 2");
  EXPECT_TRUE(overlapping_with(other).empty());
  EXPECT_TRUE(rebase(other, {}));
  EXPECT_EQ(node_.rows("t"), "1 'x' 1\n2 'y' 2\n3 'z' 0\n");
  EXPECT_FALSE(file_.effect(p(1), p(1)));
}

TEST_F(RebaseTest, transaction_that_overlaps_is_put_on_top) {
  pending({"UPDATE t SET a = 1 WHERE k = 1"});
  const std::string other = foreign("UPDATE t SET a = 2 WHERE k = 1");
  EXPECT_EQ(overlapping_with(other), std::set<ChunkNumber>{p(1)});
  EXPECT_TRUE(rebase(other, {p(1)}));
  EXPECT_EQ(node_.rows("t"), "1 'x' 1\n2 'y' 0\n3 'z' 0\n");
  EXPECT_EQ(unit::shown_changes(file_.effect(p(1), p(1))->view()), "t ~ 1 . 2>1\n");
  EXPECT_EQ(conflicts(), "0 'a' 1 'update_differs' '{\"k\":1}'\n");
}

TEST_F(RebaseTest, redo_that_finds_no_row_changes_nothing) {
  pending({"UPDATE t SET a = 1 WHERE k = 1"});
  EXPECT_TRUE(rebase(foreign("DELETE FROM t WHERE k = 1"), {p(1)}));
  EXPECT_EQ(node_.rows("t"), "2 'y' 0\n3 'z' 0\n");
  EXPECT_EQ(file_.effect(p(1), p(1))->view(), "");
  EXPECT_EQ(conflicts(), "0 'a' 1 'update_missing' '{\"k\":1}'\n");
}

TEST_F(RebaseTest, second_rebase_undoes_what_the_first_really_changed) {
  pending({"UPDATE t SET a = 1 WHERE k = 1"});
  EXPECT_TRUE(rebase(foreign("DELETE FROM t WHERE k = 1"), {p(1)}));
  EXPECT_TRUE(rebase(foreign("INSERT INTO t VALUES(9, 'new', 0)"), {p(1)}));
  EXPECT_EQ(node_.rows("t"), "2 'y' 0\n3 'z' 0\n9 'new' 0\n");
  EXPECT_EQ(conflicts(), "0 'a' 1 'update_missing' '{\"k\":1}'\n");
}

TEST_F(RebaseTest, redo_that_has_its_first_effect_again_needs_none_on_record) {
  pending({"UPDATE t SET a = 1 WHERE k = 1"});
  EXPECT_TRUE(rebase(foreign("UPDATE t SET a = 2 WHERE k = 1"), {p(1)}));
  EXPECT_TRUE(file_.effect(p(1), p(1)));
  MemoryNode origin(kSchema);
  origin.run("INSERT INTO t VALUES(1, 'x', 2)");
  EXPECT_TRUE(rebase(origin.changeset_of("UPDATE t SET a = 0"), {p(1)}));
  EXPECT_FALSE(file_.effect(p(1), p(1)));
  EXPECT_EQ(conflicts(), "");
}

TEST_F(RebaseTest, later_transactions_that_build_on_it_are_redone_in_order) {
  pending({"UPDATE t SET a = a + 1 WHERE k = 1", "UPDATE t SET a = a + 1 WHERE k = 2",
           "UPDATE t SET a = a + 1 WHERE k = 1", "UPDATE t SET u = 'w' WHERE k = 1"});
  const std::string other = foreign("UPDATE t SET a = 70 WHERE k = 1");
  EXPECT_EQ(overlapping_with(other), (std::set<ChunkNumber>{p(1), p(3), p(4)}));
  EXPECT_TRUE(rebase(other, {p(1), p(3), p(4)}));
  EXPECT_EQ(node_.rows("t"), "1 'w' 2\n2 'y' 1\n3 'z' 0\n");
}

// The value is not the pending transaction's, so they do not meet in it; the row that has it is.
TEST_F(RebaseTest, displaced_row_that_a_pending_transaction_knows_asks_for_that_one) {
  pending({"UPDATE t SET a = 1 WHERE k = 2", "UPDATE t SET a = 5 WHERE k = 1"});
  MemoryNode origin(kSchema);
  const std::string clash = origin.changeset_of("INSERT INTO t VALUES(10, 'x', 0)");
  EXPECT_TRUE(overlapping_with(clash).empty());
  EXPECT_FALSE(rebase(clash, {}));
  EXPECT_EQ(missed_, std::set<ChunkNumber>{p(2)});
  EXPECT_EQ(node_.rows("t"), "1 'x' 5\n2 'y' 1\n3 'z' 0\n");  // all of it was rolled back
  EXPECT_TRUE(rebase(clash, {p(2)}));
  EXPECT_EQ(node_.rows("t"), "2 'y' 1\n3 'z' 0\n10 'x' 0\n");
}

TEST_F(RebaseTest, own_transaction_that_was_not_undone_leaves_the_outbox_and_no_trace) {
  pending({"UPDATE t SET a = 1 WHERE k = 1", "UPDATE t SET a = 2 WHERE k = 1"});
  EXPECT_TRUE(rebase("", {}, {p(1)}));
  EXPECT_EQ(node_.rows("t"), "1 'x' 2\n2 'y' 0\n3 'z' 0\n");
  EXPECT_EQ(file_.pending_transactions(), 1);
  EXPECT_EQ(pending_.all(), std::vector<ChunkNumber>{p(2)});
}

TEST_F(RebaseTest, own_transaction_that_was_undone_takes_its_place_in_the_log) {
  pending({"UPDATE t SET a = 1 WHERE k = 1", "UPDATE t SET a = 2 WHERE k = 1"});
  EXPECT_TRUE(rebase(foreign("UPDATE t SET a = 70 WHERE k = 1"), {p(1), p(2)}, {p(1)}));
  EXPECT_EQ(node_.rows("t"), "1 'x' 2\n2 'y' 0\n3 'z' 0\n");
  EXPECT_EQ(conflicts(), "6 'a' 1 'update_differs' '{\"k\":1}'\n");
  EXPECT_FALSE(file_.effect(p(2), p(2)));  // what it met is what it knew
}

TEST_F(RebaseTest, conflicts_of_a_redo_settle_when_it_is_absorbed) {
  pending({"UPDATE t SET a = 1 WHERE k = 1"});
  EXPECT_TRUE(rebase(foreign("UPDATE t SET a = 70 WHERE k = 1"), {p(1)}));
  EXPECT_TRUE(rebase("", {}, {p(1)}));
  EXPECT_EQ(conflicts(), "6 'a' 1 'update_differs' '{\"k\":1}'\n");
}

TEST_F(RebaseTest, rows_that_were_changed_behind_colonys_back_halt) {
  pending({"UPDATE t SET a = 1 WHERE k = 1"});
  db_.execute("UPDATE t SET a = 'by hand' WHERE k = 1");  // this connection fires no guards
  try {
    rebase(foreign("UPDATE t SET a = 2 WHERE k = 1"), {p(1)});
    FAIL();
  } catch (const Halt& halt) {
    EXPECT_NE(std::string(halt.what()).find("behind Colony's back"), std::string::npos);
    EXPECT_NE(std::string(halt.what()).find("colony repair DB shows what differs"), std::string::npos);
  }
  EXPECT_EQ(node_.rows("t"), "1 'x' 'by hand'\n2 'y' 0\n3 'z' 0\n");
}

}  // namespace
}  // namespace colony
