// Undoing and redoing pending transactions around an entry of somebody else.
//
// One Rebase lives as long as one write transaction of the applier. Within it,
// in this order: undo(), then any number of foreign transactions and
// absorb_own(), then redo_rest().
//
// Only those pending transactions are undone that the entries meet (write_set.h).
// It may turn out on the way that this was too few, because a row is displaced
// that another pending transaction knows: missed() names these. The rows are then
// worth nothing; the caller rolls back, and begins again with them undone as well.
// It may go on before that to learn what else was missed.
#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "replicator/apply/pending_transactions.h"
#include "replicator/fold/conflict.h"
#include "replicator/fold/fold.h"
#include "replicator/store/node_file.h"

namespace colony {

class Rebase {
 public:
  Rebase(NodeFile& file, Fold& fold, const ReplicatedSchema& schema, ConflictJournal& journal,
         PendingTransactions& pending);
  ~Rebase();
  Rebase(const Rebase&) = delete;
  Rebase& operator=(const Rebase&) = delete;

  // What an undo takes back of transactions that change the schema. Such a change leaves the
  // rows of others as they are, so that entries without one can be applied beneath it.
  enum class Schema { kStays, kUndone };

  // Takes these out of the rows, the latest first. With kUndone they must be all from the
  // first on that changes the schema.
  void undo(std::set<ChunkNumber> transactions, Schema schema = Schema::kStays);

  // Instead of all else: puts transactions into the rows that are not in them yet, in
  // their order, on top of those that are.
  void put_on_top(std::set<ChunkNumber> transactions);

  // Applies somebody else's transaction; its conflicts go to the journal.
  void apply_foreign(Sequence sequence, const std::string& origin, ChunkNumber last, ChangesetView changeset,
                     std::uint64_t shape);
  // The same of one that changes the schema as this pending transaction has already.
  void apply_foreign_matched(Sequence sequence, const std::string& origin, ChunkNumber last, ChangesetView changeset,
                             std::uint64_t shape, ChunkNumber by);

  // A transaction of this node has come back in the log: it takes its place
  // there and leaves the outbox.
  void absorb_own(Sequence sequence, ChunkNumber last);

  // A transaction of this node is in the rows already, as a snapshot brought it:
  // it leaves the outbox. Not after apply_foreign().
  void forget_own(ChunkNumber last);

  // Puts those back that are still pending.
  void redo_rest();

  // Pending transactions that should have been undone; must be empty at the commit.
  const std::set<ChunkNumber>& missed() const { return missed_; }

  // Tells `pending` what has left the outbox. After the commit, and only then.
  void committed();

  bool journalled() const { return journalled_; }

 private:
  void on_displaced(const ReplicatedTable& table, const std::vector<Value>& row);
  void hide_columns_after(ChunkNumber last);
  void keep_effect(ChunkNumber last, Spill& changeset, Spill& effect);
  Spill redo(ChunkNumber last, Conflicts& conflicts);
  void check_known(std::uint64_t write, ChunkNumber after);
  Spill changeset_of(ChunkNumber last);
  void journal(Sequence sequence, const std::string& origin, ChunkNumber last, Conflicts& conflicts);

  NodeFile& file_;
  Fold& fold_;
  const ReplicatedSchema& schema_;
  ConflictJournal& journal_;
  PendingTransactions& pending_;
  std::set<ChunkNumber> undone_;     // and not yet put back
  std::set<ChunkNumber> accounted_;  // undone at first, or absorbed: no need to undo them
  std::set<ChunkNumber> missed_;
  // Per mark, from where on all that have it are accounted for, or missed.
  std::unordered_map<std::uint64_t, ChunkNumber> checked_after_;
  std::map<ChunkNumber, SchemaChanges> stays_;  // what undone ones did to the schema, and was not taken back
  std::vector<ChunkNumber> absorbed_, matched_;
  ChunkNumber redoing_;  // what displaces rows just now: later transactions matter
  bool journalled_ = false;
};

// Takes every pending transaction out of the rows and out of the outbox, for good.
// Within the caller's write transaction on a connection made by open_for_fold().
void take_out_pending(Database& db, NodeFile& file);

}  // namespace colony
