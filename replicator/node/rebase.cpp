#include "replicator/node/rebase.h"

namespace colony {

Rebase::Rebase(NodeFile& file, Fold& fold, const ReplicatedSchema& schema, ConflictJournal& journal,
               PendingTransactions& pending)
    : file_(file), fold_(fold), schema_(schema), journal_(journal), pending_(pending) {
  fold_.on_displaced([this](const ReplicatedTable& table, const std::vector<Value>& row) { on_displaced(table, row); });
}

Rebase::~Rebase() { fold_.on_displaced(nullptr); }

void Rebase::check_known(std::uint64_t mark, PieceNumber after) const {
  if (pending_.knows(mark, after, accounted_)) throw NeedsFullRebase();
}

void Rebase::on_displaced(const ReplicatedTable& table, const std::vector<Value>& row) {
  check_known(row_mark(table, row), redoing_);
}

std::string Rebase::changeset_of(PieceNumber last) {
  return file_.outbox_transaction(pending_.first_piece(last), last);
}

void Rebase::undo(std::set<PieceNumber> transactions) {
  undone_ = std::move(transactions);
  accounted_ = undone_;
  for (auto it = undone_.rbegin(); it != undone_.rend(); ++it) {
    const std::optional<std::string> effect = file_.effect(*it);
    std::vector<Conflict> conflicts;
    fold_.apply(invert(effect ? *effect : changeset_of(*it)), conflicts);
    if (!conflicts.empty()) {
      throw Halt(
          "rows of table " + conflicts.front().table + " (" + conflicts.front().key +
          ") were changed behind Colony's back, so that a pending transaction cannot be rebased: compare with the "
          "other nodes, and rebuild this file from one of them");
    }
    journal_.forget_pending(file_.identity().node, *it);
  }
}

void Rebase::journal(Sequence sequence, const std::string& origin, PieceNumber last,
                     const std::vector<Conflict>& conflicts) {
  if (conflicts.empty()) return;
  journal_.add(sequence, origin, last, conflicts);
  journalled_ = true;
}

void Rebase::apply_foreign(Sequence sequence, const std::string& origin, PieceNumber last, std::string_view changeset,
                           std::uint64_t shape) {
  std::vector<Conflict> conflicts;
  redoing_ = PieceNumber();
  fold_.apply(changeset, conflicts, shape);
  journal(sequence, origin, last, conflicts);
}

void Rebase::absorb_own(Sequence sequence, PieceNumber last) {
  const std::string& node = file_.identity().node;
  if (undone_.erase(last) != 0) {
    std::vector<Conflict> conflicts;
    redoing_ = last;
    fold_.apply(changeset_of(last), conflicts);
    journal(sequence, node, last, conflicts);
  } else if (journal_.settle_pending(sequence, node, last)) {
    journalled_ = true;
  }
  file_.remove_outbox(pending_.first_piece(last), last);
  absorbed_.push_back(last);
  accounted_.insert(last);
}

void Rebase::redo_rest() {
  for (const PieceNumber last : undone_) {
    std::vector<Conflict> conflicts;
    redoing_ = last;
    const std::string changeset = changeset_of(last);
    const std::string effect = fold_.apply_recorded(changeset, conflicts);
    Touched touched;
    add_touched(schema_, effect, touched);
    for (const std::uint64_t mark : touched.marks) check_known(mark, last);
    pending_.add_marks(last, touched);
    file_.set_effect(last, effect == changeset ? std::nullopt : std::optional<std::string>(effect));
    journal(Sequence(), file_.identity().node, last, conflicts);
  }
  undone_.clear();
}

void Rebase::committed() {
  for (const PieceNumber last : absorbed_) pending_.remove(last);
}

}  // namespace colony
