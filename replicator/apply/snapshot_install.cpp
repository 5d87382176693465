#include "replicator/apply/snapshot_install.h"

#include <algorithm>
#include <utility>

#include "replicator/apply/merge.h"
#include "replicator/apply/schema_install.h"
#include "replicator/store/file_layout.h"
#include "replicator/store/version_vector.h"
#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

Database open_base(const std::string& path) {
  Database db(path, Database::Mode::kReadOnly);
  if (!has_layout(db)) throw Halt(path + " is no snapshot of a colony");
  return db;
}

}  // namespace

SnapshotInstall::SnapshotInstall(FoldedFile& file, WriteTurns& turns, const std::string& snapshot_file,
                                 OwnRows own_rows, std::function<bool()> go_on)
    : file_(file),
      turns_(turns),
      own_rows_(own_rows),
      base_db_(open_base(snapshot_file)),
      base_(base_db_),
      go_on_(std::move(go_on)) {}

void SnapshotInstall::run() {
  const std::string cluster = file_.records.identity().cluster;
  const std::string base_cluster = base_.identity().cluster;
  if (base_cluster != cluster) {
    throw Halt("the snapshot is of colony " + base_cluster + ", and this file of " + cluster);
  }
  const std::string epoch = file_.records.epoch();
  const bool same_log = epoch.empty() || base_.epoch() == epoch;
  if (!same_log) check_compatible();
  if (same_log && base_.position() <= file_.log_state.position) return;
  try {
    replace_base();
  } catch (const SchemaMismatch& mismatch) {
    throw Halt(std::string("the snapshot ") + mismatch.what() + ": " + mismatch.advice());
  }
}

// What this file has absorbed has left its origins' outboxes: nothing but the base
// would bring it back.
void SnapshotInstall::check_compatible() {
  const std::string epoch = file_.records.epoch();
  const std::vector<std::string> former = base_.former_epochs();
  if (std::find(former.begin(), former.end(), epoch) == former.end()) {
    throw IncompatibleBase("the log is another colony's (epoch " + base_.epoch() +
                           "), or was begun without colony recover: nothing in it comes from this file's log (epoch " +
                           epoch + ")");
  }
  const std::vector<VersionVectorDifference> more =
      version_vector_difference(version_vector_of(file_.records), version_vector_of(base_));
  if (more.empty()) return;
  throw IncompatibleBase(
      "the colony went on, by colony recover, without what only this file has absorbed: " + shown(more) +
      " (chunks of transactions). This file stays as it is: see What to do when the broker has forgotten, in "
      "docs/operations.md");
}

void SnapshotInstall::replace_base() {
  file_.index_outbox();
  // Only who knows the colony takes its schema in place of the own one.
  const bool has_met = file_.log_state.has_met_colony();
  if (has_met && (file_.pending.latest_schema_change() || has_other_schema(file_.db, base_db_))) {
    return replace_schema_and_base();
  }
  file_.fold.check_derived();
  RowReplacement replacement(file_.db, file_.schema, base_db_);
  replacement.compare([this] { check_goes_on(); });
  COLONY_STEP("install.compared");
  file_.index_outbox();
  OwnTransaction transaction(file_.db, file_.capture);
  turns_.end_wait();
  if (file_.was_put_back() || file_.has_another_schema()) {
    throw LogUnavailable("the file has changed while a snapshot was compared with it");  // again
  }
  COLONY_STEP("install.locked");
  if (!file_.index_rest_of_outbox()) file_.index_outbox();
  note_pending(replacement);
  Rebase rebase = file_.rebase();
  const std::vector<ChunkNumber> all = file_.pending.all();
  rebase.undo({all.begin(), all.end()});
  COLONY_STEP("install.undone");
  if (replacement.apply() > 0 && own_rows_ == OwnRows::kRefuse && !file_.log_state.has_met_colony()) {
    throw Halt(
        "this file has rows from before it joined that the colony does not have: begin with no file, or let them be "
        "merged with colony init --merge");
  }
  COLONY_STEP("install.rows_replaced");
  take_log_state(rebase);
  leave_out_what_is_there(file_);
  COLONY_STEP("install.base_taken");
  rebase.redo_rest();
  COLONY_STEP("install.redone");
  COLONY_ASSERT(rebase.missed().empty());  // all were undone
  if (rebase.journalled()) file_.journal.trim(file_.records.conflicts_max());
  transaction.commit(OwnTransaction::Tables::kMayBeOthers);
  COLONY_STEP("install.committed");
}

// Rows of tables that are others now cannot be compared beforehand: all of it is done under the
// lock.
void SnapshotInstall::replace_schema_and_base() {
  OwnTransaction transaction(file_.db, file_.capture);
  turns_.end_wait();
  if (file_.was_put_back() || file_.has_another_schema()) {
    throw LogUnavailable("the file has changed while a snapshot was taken");  // again
  }
  if (!file_.index_rest_of_outbox()) file_.index_outbox();
  Rebase rebase = file_.rebase();
  const std::vector<ChunkNumber> all = file_.pending.all();
  rebase.undo({all.begin(), all.end()}, Rebase::Schema::kUndone);
  COLONY_STEP("schema_install.undone");
  install_schema(file_.db, base_db_);
  COLONY_STEP("schema_install.replaced");
  file_.schema.load(file_.db);
  file_.fold.schema_changed();
  file_.fold.check_derived();
  RowReplacement replacement(file_.db, file_.schema, base_db_);
  replacement.compare([this] { check_goes_on(); });
  replacement.apply();
  COLONY_STEP("schema_install.rows_replaced");
  take_log_state(rebase);
  rebase.redo_rest();
  COLONY_STEP("schema_install.redone");
  COLONY_ASSERT(rebase.missed().empty());  // all were undone
  if (rebase.journalled()) file_.journal.trim(file_.records.conflicts_max());
  transaction.commit(OwnTransaction::Tables::kMayBeOthers);
  COLONY_STEP("schema_install.committed");
  file_.schema.forget();
}

void SnapshotInstall::check_goes_on() const {
  if (!go_on_()) throw Interrupted();
}

// The pending transactions were in the rows when they were compared, or came since.
void SnapshotInstall::note_pending(RowReplacement& replacement) {
  for (const ChunkNumber last : file_.pending.all()) {
    const ChunkNumber first = file_.pending.first_chunk(last);
    Spill changeset = file_.records.outbox_transaction(first, last);
    replacement.note(changeset);
    if (std::optional<Spill> effect = file_.records.effect(first, last)) replacement.note(*effect);
  }
}

// What the log says of everybody, as the snapshot has it.
void SnapshotInstall::take_log_state(Rebase& rebase) {
  const std::string& node = file_.records.identity().node;
  const std::map<std::string, Origin> origins = base_.origins();
  const Incarnation incarnation = file_.records.identity().incarnation;
  const auto self = origins.find(node);
  const bool is_member = self != origins.end() && self->second.incarnation == incarnation;
  ChunkNumber accepted;
  if (is_member) accepted = self->second.chunk;
  // Of what this node has sent before it was removed, the log has taken so much.
  const std::map<Incarnation, Departure> departures = base_.departures();
  if (const auto own = departures.find(incarnation); own != departures.end()) accepted = own->second.chunk;
  for (const ChunkNumber last : file_.pending.all()) {
    if (last <= accepted) rebase.forget_own(last);
  }
  file_.records.copy_log_state(base_);
  if (is_member) file_.records.remove_fragments(node);  // they are in the outbox
  file_.records.set_absorbed(accepted);
  file_.records.set_epoch(base_.epoch());
  file_.records.set_former_epochs(base_.former_epochs());
  file_.records.set_position(base_.position(), base_.position_hash(), base_.log_bytes());
  file_.records.set_log_chain(base_.log_chain());
}

}  // namespace colony
