#include "replicator/apply/rebase.h"

#include "sqlite_ext/crash_step.h"

namespace colony {

Rebase::Rebase(NodeFile& file, Fold& fold, const ReplicatedSchema& schema, ConflictJournal& journal,
               PendingTransactions& pending)
    : file_(file), fold_(fold), schema_(schema), journal_(journal), pending_(pending) {
  fold_.on_displaced([this](const ReplicatedTable& table, const std::vector<Value>& row) { on_displaced(table, row); });
}

Rebase::~Rebase() { fold_.on_displaced(nullptr); }

void Rebase::check_known(std::uint64_t write, ChunkNumber after) {
  ChunkNumber& checked_after = checked_after_.try_emplace(write, kNoEnd).first->second;
  if (checked_after <= after) return;
  pending_.for_each_later(write, after, checked_after, [this](ChunkNumber last) {
    if (!accounted_.contains(last)) missed_.insert(last);
  });
  checked_after = after;
}

void Rebase::on_displaced(const ReplicatedTable& table, const std::vector<Value>& row) {
  check_known(row_fingerprint(table, row), redoing_);
}

Spill Rebase::changeset_of(ChunkNumber last) { return file_.outbox_transaction(pending_.first_chunk(last), last); }

void Rebase::undo(std::set<ChunkNumber> transactions) {
  undone_ = std::move(transactions);
  accounted_ = undone_;
  for (auto it = undone_.rbegin(); it != undone_.rend(); ++it) {
    std::optional<Spill> undoing = file_.effect(pending_.first_chunk(*it), *it);
    if (!undoing) undoing = changeset_of(*it);
    undoing = invert(*undoing, file_.spill());
    Conflicts conflicts(file_.spill());
    try {
      fold_.apply(*undoing, conflicts);
    } catch (const SchemaMismatch& mismatch) {
      throw Halt(std::string("a pending transaction ") + mismatch.what() + ": " + mismatch.advice());
    }
    if (!conflicts.empty()) {
      throw Halt("rows of table " + conflicts.front().table + " (" + conflicts.front().key +
                 ") were changed behind Colony's back, so that a pending transaction cannot be rebased: "
                 "colony repair DB shows what differs, and mends it");
    }
    journal_.forget_pending(file_.identity().node, *it);
    COLONY_STEP("rebase.one_undone");
  }
}

void Rebase::journal(Sequence sequence, const std::string& origin, ChunkNumber last, Conflicts& conflicts) {
  if (conflicts.empty()) return;
  journal_.add(sequence, origin, last, conflicts, file_.conflicts_max());
  journalled_ = true;
  COLONY_STEP("rebase.conflict_journalled");
}

void Rebase::apply_foreign(Sequence sequence, const std::string& origin, ChunkNumber last, ChangesetView changeset,
                           std::uint64_t shape) {
  Conflicts conflicts(file_.spill());
  redoing_ = ChunkNumber();
  fold_.apply(changeset, conflicts, shape);
  journal(sequence, origin, last, conflicts);
  COLONY_STEP("rebase.one_applied");
}

void Rebase::absorb_own(Sequence sequence, ChunkNumber last) {
  const std::string& node = file_.identity().node;
  if (undone_.erase(last) != 0) {
    Conflicts conflicts(file_.spill());
    redoing_ = last;
    Spill changeset = changeset_of(last);
    fold_.apply(changeset, conflicts);
    journal(sequence, node, last, conflicts);
  } else if (journal_.settle_pending(sequence, node, last)) {
    journalled_ = true;
  }
  file_.remove_outbox(pending_.first_chunk(last), last);
  COLONY_STEP("rebase.own_absorbed");
  absorbed_.push_back(last);
  accounted_.insert(last);
}

void Rebase::forget_own(ChunkNumber last) {
  COLONY_ASSERT(undone_.erase(last) == 1);
  file_.remove_outbox(pending_.first_chunk(last), last);
  absorbed_.push_back(last);
}

void Rebase::redo_rest() {
  for (const ChunkNumber last : undone_) {
    Conflicts conflicts(file_.spill());
    redoing_ = last;
    Spill changeset = changeset_of(last);
    Spill effect = fold_.apply_recorded(changeset, conflicts);
    WriteSet write_set;
    add_to_write_set(schema_, effect, write_set);
    for (const std::uint64_t write : write_set.overlaps) check_known(write, last);
    if (missed_.empty()) pending_.add_writes(last, write_set);
    if (Spill::equal(effect, changeset)) {
      file_.clear_effect(pending_.first_chunk(last), last);
    } else {
      file_.set_effect(pending_.first_chunk(last), last, effect);
    }
    journal(Sequence(), file_.identity().node, last, conflicts);
    COLONY_STEP("rebase.one_redone");
  }
  undone_.clear();
}

void Rebase::put_on_top(std::set<ChunkNumber> transactions) {
  accounted_ = undone_ = std::move(transactions);
  redo_rest();
  COLONY_ASSERT(missed_.empty());  // none is later
}

void Rebase::committed() {
  for (const ChunkNumber last : absorbed_) pending_.remove(last);
}

void take_out_pending(Database& db, NodeFile& file) {
  ReplicatedSchema schema;
  schema.load(db);
  Fold fold(db, schema);
  ConflictJournal journal(db);
  PendingTransactions pending;
  std::set<ChunkNumber> all;
  for (const auto& [first, last] : file.pending_chunks()) {
    pending.add(first, last, {});
    all.insert(last);
  }
  Rebase(file, fold, schema, journal, pending).undo(all);
  db.execute("DELETE FROM __colony_outbox");
}

}  // namespace colony
