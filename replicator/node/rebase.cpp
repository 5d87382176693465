#include "replicator/node/rebase.h"

#include "sqlite_ext/crash_step.h"

namespace colony {

Rebase::Rebase(NodeFile& file, Fold& fold, const ReplicatedSchema& schema, ConflictJournal& journal,
               PendingTransactions& pending)
    : file_(file), fold_(fold), schema_(schema), journal_(journal), pending_(pending) {
  fold_.on_displaced([this](const ReplicatedTable& table, const std::vector<Value>& row) { on_displaced(table, row); });
}

Rebase::~Rebase() { fold_.on_displaced(nullptr); }

void Rebase::check_known(std::uint64_t mark, PieceNumber after) {
  PieceNumber& checked_after = checked_after_.try_emplace(mark, kNoEnd).first->second;
  if (checked_after <= after) return;
  pending_.for_each_later(mark, after, checked_after, [this](PieceNumber last) {
    if (!accounted_.contains(last)) missed_.insert(last);
  });
  checked_after = after;
}

void Rebase::on_displaced(const ReplicatedTable& table, const std::vector<Value>& row) {
  check_known(row_mark(table, row), redoing_);
}

Spill Rebase::changeset_of(PieceNumber last) { return file_.outbox_transaction(pending_.first_piece(last), last); }

void Rebase::undo(std::set<PieceNumber> transactions) {
  undone_ = std::move(transactions);
  accounted_ = undone_;
  for (auto it = undone_.rbegin(); it != undone_.rend(); ++it) {
    std::optional<Spill> undoing = file_.effect(pending_.first_piece(*it), *it);
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

void Rebase::journal(Sequence sequence, const std::string& origin, PieceNumber last, Conflicts& conflicts) {
  if (conflicts.empty()) return;
  journal_.add(sequence, origin, last, conflicts, file_.conflicts_max());
  journalled_ = true;
  COLONY_STEP("rebase.conflict_journalled");
}

void Rebase::apply_foreign(Sequence sequence, const std::string& origin, PieceNumber last, ChangesetView changeset,
                           std::uint64_t shape) {
  Conflicts conflicts(file_.spill());
  redoing_ = PieceNumber();
  fold_.apply(changeset, conflicts, shape);
  journal(sequence, origin, last, conflicts);
  COLONY_STEP("rebase.one_applied");
}

void Rebase::absorb_own(Sequence sequence, PieceNumber last) {
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
  file_.remove_outbox(pending_.first_piece(last), last);
  COLONY_STEP("rebase.own_absorbed");
  absorbed_.push_back(last);
  accounted_.insert(last);
}

void Rebase::forget_own(PieceNumber last) {
  COLONY_ASSERT(undone_.erase(last) == 1);
  file_.remove_outbox(pending_.first_piece(last), last);
  absorbed_.push_back(last);
}

void Rebase::redo_rest() {
  for (const PieceNumber last : undone_) {
    Conflicts conflicts(file_.spill());
    redoing_ = last;
    Spill changeset = changeset_of(last);
    Spill effect = fold_.apply_recorded(changeset, conflicts);
    Touched touched;
    add_touched(schema_, effect, touched);
    for (const std::uint64_t mark : touched.asks) check_known(mark, last);
    if (missed_.empty()) pending_.add_marks(last, touched);
    if (Spill::equal(effect, changeset)) {
      file_.clear_effect(pending_.first_piece(last), last);
    } else {
      file_.set_effect(pending_.first_piece(last), last, effect);
    }
    journal(Sequence(), file_.identity().node, last, conflicts);
    COLONY_STEP("rebase.one_redone");
  }
  undone_.clear();
}

void Rebase::put_on_top(std::set<PieceNumber> transactions) {
  accounted_ = undone_ = std::move(transactions);
  redo_rest();
  COLONY_ASSERT(missed_.empty());  // none is later
}

void Rebase::committed() {
  for (const PieceNumber last : absorbed_) pending_.remove(last);
}

void take_out_pending(Database& db, NodeFile& file) {
  ReplicatedSchema schema;
  schema.load(db);
  Fold fold(db, schema);
  ConflictJournal journal(db);
  PendingTransactions pending;
  std::set<PieceNumber> all;
  for (const auto& [first, last] : file.pending_pieces()) {
    pending.add(first, last, {});
    all.insert(last);
  }
  Rebase(file, fold, schema, journal, pending).undo(all);
  db.execute("DELETE FROM __colony_outbox");
}

}  // namespace colony
