// The part of the applier that takes a snapshot as the file's new base.

#include <algorithm>

#include "replicator/node/applier.h"
#include "replicator/store/file_layout.h"
#include "replicator/store/marks.h"
#include "replicator/store/row_replacement.h"
#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

Database open_base(const std::string& path) {
  Database db(path, Database::Mode::kReadOnly);
  if (!has_layout(db)) throw Halt(path + " is no snapshot of a colony");
  return db;
}

}  // namespace

void Applier::adopt(const std::string& snapshot_file) {
  Database base_db = open_base(snapshot_file);
  NodeFile base(base_db);
  loaded_ = false;
  load();
  const EndOfWait end_of_wait{*this};
  try {
    const bool same_log = file_.epoch().empty() || base.epoch() == file_.epoch();
    if (base.identity().cluster != file_.identity().cluster) {
      throw Halt("the snapshot is of colony " + base.identity().cluster + ", and this file of " +
                 file_.identity().cluster);
    }
    if (!same_log) check_heir(base);
    if (!same_log || base.position() > position_) adopt_once(base_db, base);
  } catch (const SchemaMismatch& mismatch) {
    loaded_ = false;
    throw Halt(std::string("the snapshot ") + mismatch.what() +
               ": make the same schema change here that was made there, run colony init again, and this node goes on "
               "by itself");
  } catch (...) {
    loaded_ = false;
    throw;
  }
  loaded_ = false;
}

// What this file has absorbed has left its origins' outboxes: nothing but the base
// would bring it back.
void Applier::check_heir(NodeFile& base) {
  const std::string epoch = file_.epoch();
  const std::vector<std::string> former = base.former_epochs();
  if (std::find(former.begin(), former.end(), epoch) == former.end()) {
    throw NoHeir("the log is another colony's (epoch " + base.epoch() +
                 "), or was begun without colony recover: nothing in it comes from this file's log (epoch " + epoch +
                 ")");
  }
  const std::vector<Surplus> more = surplus(marks_of(file_), marks_of(base));
  if (more.empty()) return;
  throw NoHeir("the colony went on, by colony recover, without what only this file has absorbed: " + shown(more) +
               " (pieces of transactions). This file stays as it is: see What to do when the broker has forgotten, in "
               "docs/operations.md");
}

void Applier::adopt_once(Database& base_db, NodeFile& base) {
  RowReplacement replacement(db_, schema_, base_db);
  replacement.compare([this] {
    if (!options_.go_on_waiting(0)) throw Interrupted();
  });

  COLONY_STEP("adoption.compared");
  index_outbox();
  WriteTransaction transaction(db_);
  lock_taken();
  if (file_.position() != position_ || file_.outbox_end() < index_.end() || schema_.refresh(db_)) {
    throw LogUnavailable("the file has changed while a snapshot was compared with it");  // again
  }
  COLONY_STEP("adoption.locked");
  finish_index(false);
  // The pending transactions were in the rows when they were compared, or came since.
  for (const PieceNumber last : pending_.all()) {
    const PieceNumber first = pending_.first_piece(last);
    Spill changeset = file_.outbox_transaction(first, last);
    replacement.note(changeset);
    if (std::optional<Spill> effect = file_.effect(first, last)) replacement.note(*effect);
  }
  Rebase rebase(file_, fold_, schema_, journal_, pending_);
  const std::vector<PieceNumber> all = pending_.all();
  rebase.undo({all.begin(), all.end()});
  COLONY_STEP("adoption.undone");
  if (replacement.apply() > 0 && position_ == Sequence()) {
    throw Halt(
        "this file has rows from before it joined that the colony does not have, and the colony's log no longer "
        "reaches back to its beginning: start with no file instead, and insert these rows as the colony's");
  }
  COLONY_STEP("adoption.rows_replaced");
  take_base(base, rebase);
  COLONY_STEP("adoption.base_taken");
  rebase.redo_rest();
  COLONY_STEP("adoption.redone");
  COLONY_ASSERT(rebase.missed().empty());  // all were undone
  if (rebase.journalled()) journal_.trim(file_.conflicts_max());
  transaction.commit();
  COLONY_STEP("adoption.committed");
}

// What the log says of everybody, as the snapshot has it.
void Applier::take_base(NodeFile& base, Rebase& rebase) {
  const std::string& node = file_.identity().node;
  const std::map<std::string, Origin> origins = base.origins();
  const Incarnation incarnation = file_.identity().incarnation;
  const auto self = origins.find(node);
  const bool is_member = self != origins.end() && self->second.incarnation == incarnation;
  PieceNumber accepted;
  if (is_member) accepted = self->second.piece;
  // Of what this node has sent before it was removed, the log has taken so much.
  const std::map<Incarnation, Departure> departures = base.departures();
  if (const auto own = departures.find(incarnation); own != departures.end()) accepted = own->second.piece;
  for (const PieceNumber last : pending_.all()) {
    if (last <= accepted) rebase.forget_own(last);
  }
  file_.copy_log_state(base);
  if (is_member) file_.remove_parts(node);  // they are in the outbox
  file_.set_absorbed(accepted);
  file_.set_epoch(base.epoch());
  file_.set_former_epochs(base.former_epochs());
  file_.set_position(base.position(), base.position_hash(), base.log_bytes());
  file_.set_log_chain(base.log_chain());
}

}  // namespace colony
