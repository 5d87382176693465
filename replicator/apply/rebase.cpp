#include "replicator/apply/rebase.h"

#include <algorithm>

#include "replicator/fold/column_mapping.h"
#include "sqlite_ext/crash_step.h"

namespace colony {

namespace {

// The first that says more than that a column is not there: what a transaction has done may
// have been noted while later ones had added columns, which were undone since.
std::optional<Conflict> beyond_columns(Conflicts& conflicts) {
  std::optional<Conflict> found;
  conflicts.for_each([&](std::size_t, const Conflict& conflict) {
    if (!found && conflict.kind != ConflictKind::kNoPlace) found = conflict;
  });
  return found;
}

}  // namespace

Rebase::Rebase(NodeFile& file, Fold& fold, const ReplicatedSchema& schema, ConflictJournal& journal,
               PendingTransactions& pending)
    : file_(file), fold_(fold), schema_(schema), journal_(journal), pending_(pending) {
  fold_.on_displaced([this](const ReplicatedTable& table, const std::vector<Value>& row) { on_displaced(table, row); });
}

Rebase::~Rebase() {
  fold_.on_displaced(nullptr);
  fold_.hide_columns({});
}

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

void Rebase::undo(std::set<ChunkNumber> transactions, Schema schema) {
  undone_ = std::move(transactions);
  accounted_ = undone_;
  fold_.hide_columns({});
  for (auto it = undone_.rbegin(); it != undone_.rend(); ++it) {
    std::optional<Spill> undoing = file_.effect(pending_.first_chunk(*it), *it);
    if (!undoing) undoing = changeset_of(*it);
    const SchemaAndRows parts = split_schema(*undoing);
    const SchemaChanges& changes = parts.schema;
    Spill rows = invert(parts.rows, file_.spill());
    Conflicts conflicts(file_.spill());
    try {
      if (schema == Schema::kUndone) fold_.take_back(after_rows(changes));
      fold_.apply(rows, conflicts);
      if (schema == Schema::kUndone) {
        fold_.take_back(before_rows(changes));
        Spill before = invert(parts.before, file_.spill());
        fold_.apply(before, conflicts);
      }
    } catch (const SchemaMismatch& mismatch) {
      throw Halt(std::string("a pending transaction ") + mismatch.what() + ": " + mismatch.advice());
    }
    if (const std::optional<Conflict> unexpected = beyond_columns(conflicts)) {
      throw Halt("rows of table " + unexpected->table + " (" + unexpected->key +
                 ") were changed behind Colony's back, so that a pending transaction cannot be rebased: "
                 "colony repair DB shows what differs, and mends it");
    }
    const bool stays = schema == Schema::kStays && pending_.schema(*it) != nullptr;
    if (stays) stays_[*it] = changes;
    journal_.forget_pending(file_.identity().node, *it, stays);
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
  hide_columns_after(ChunkNumber());
  fold_.apply(changeset, conflicts, shape);
  journal(sequence, origin, last, conflicts);
  COLONY_STEP("rebase.one_applied");
}

void Rebase::apply_foreign_matched(Sequence sequence, const std::string& origin, ChunkNumber last,
                                   ChangesetView changeset, std::uint64_t shape, ChunkNumber by) {
  apply_foreign(sequence, origin, last, split_schema(changeset).rows, shape);
  matched_.push_back(by);
  if (const auto stays = stays_.find(by); stays != stays_.end()) {
    stays->second.clear();
    return;
  }
  const ChunkNumber first = pending_.first_chunk(by);
  std::optional<Spill> effect = file_.effect(first, by);
  if (!effect) effect = changeset_of(by);
  file_.set_effect(first, by, split_schema(*effect).rows);
}

// What pending transactions after this one have added, and is still there, is not there for it.
void Rebase::hide_columns_after(ChunkNumber last) {
  fold_.hide_columns(pending_.added_columns([&](ChunkNumber later) {
    const bool is_there = !undone_.contains(later) || stays_.contains(later);
    const auto is_among = [later](const std::vector<ChunkNumber>& all) {
      return std::find(all.begin(), all.end(), later) != all.end();
    };
    return later > last && is_there && !is_among(absorbed_) && !is_among(matched_);
  }));
}

// Puts it back, and gives what it has changed.
Spill Rebase::redo(ChunkNumber last, Conflicts& conflicts) {
  redoing_ = last;
  Spill changeset = changeset_of(last);
  const std::uint64_t shape = file_.outbox_shape(last);
  hide_columns_after(last);
  const auto stays = stays_.find(last);
  if (stays == stays_.end()) return fold_.apply_recorded(changeset, conflicts, shape);
  Spill effect(file_.spill());
  effect.append(encoded(stays->second));
  Spill rows = fold_.apply_recorded(split_schema(changeset).rows, conflicts, shape);
  effect.append(rows);
  return effect;
}

void Rebase::absorb_own(Sequence sequence, ChunkNumber last) {
  const std::string& node = file_.identity().node;
  if (journal_.settle_pending(sequence, node, last)) journalled_ = true;
  if (undone_.erase(last) != 0) {
    Conflicts conflicts(file_.spill());
    redo(last, conflicts);
    journal(sequence, node, last, conflicts);
  }
  if (pending_.schema(last) != nullptr) file_.confirm_columns(last);
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
    Spill effect = redo(last, conflicts);
    Spill changeset = changeset_of(last);
    WriteSet write_set;
    add_to_write_set(schema_, effect, write_set);
    for (const std::uint64_t write : write_set.overlaps) check_known(write, last);
    if (missed_.empty()) pending_.add_writes(last, write_set);
    keep_effect(last, changeset, effect);
    journal(Sequence(), file_.identity().node, last, conflicts);
    COLONY_STEP("rebase.one_redone");
  }
  undone_.clear();
}

// With the names of its columns: the schema may have changed when it is read.
void Rebase::keep_effect(ChunkNumber last, Spill& changeset, Spill& effect) {
  const ChunkNumber first = pending_.first_chunk(last);
  if (Spill::equal(effect, changeset)) return file_.clear_effect(first, last);
  Spill named = with_column_names(schema_, effect, file_.spill());
  if (Spill::equal(named, changeset)) return file_.clear_effect(first, last);
  file_.set_effect(first, last, named);
}

void Rebase::put_on_top(std::set<ChunkNumber> transactions) {
  accounted_ = undone_ = std::move(transactions);
  redo_rest();
  COLONY_ASSERT(missed_.empty());  // none is later
}

void Rebase::committed() {
  for (const ChunkNumber last : matched_) pending_.matched(last);
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
  Rebase(file, fold, schema, journal, pending).undo(all, Rebase::Schema::kUndone);
  db.execute("DELETE FROM __colony_outbox; UPDATE __colony_meta SET value = 0 WHERE key = 'unconfirmed'");
}

}  // namespace colony
