#include "replicator/apply/folded_file.h"

namespace colony {
namespace {

constexpr std::size_t kIndexSliceBytes = 1u << 20;
constexpr std::size_t kIndexUnderLockBytes = 256u << 10;

}  // namespace

FoldedFile::FoldedFile(const std::string& path, const std::optional<SpillSettings>& spill, WalCapture* the_capture,
                       SessionAudit* the_audit)
    : capture(the_capture),
      audit(the_audit),
      db(open_for_fold(path, spill)),
      records(db),
      fold(db, schema),
      journal(db),
      index_(records, schema, pending) {}

void FoldedFile::release_log() {
  if (audit == nullptr) return;
  const std::lock_guard alone(audit->mutex());
  if (audit->read()) audit->move_pin();
}

void FoldedFile::load() {
  const Sequence known_position = log_state.position;
  const std::int64_t known_repairs = repairs_;
  load_log_state();
  repairs_ = records.repairs();
  if (log_state.position != known_position || repairs_ != known_repairs || !index_.is_current()) index_.clear();
  load_schema();
}

void FoldedFile::load_log_state() {
  log_state = LogState();
  log_state.position = records.position();
  log_state.bytes = records.log_bytes();
  log_state.chain = records.log_chain();
  log_state.epoch = records.epoch();
  log_state.origins = records.origins();
  for (const auto& [node, origin] : log_state.origins) {
    if (records.has_fragments(node)) log_state.unfinished.insert(node);
  }
  for (const auto& [incarnation, departure] : records.departures()) log_state.departed.insert(incarnation);
  log_state.trust = records.trust();
}

bool FoldedFile::was_put_back() {
  return records.position() != log_state.position || records.outbox_end() < index_.end() ||
         records.repairs() != repairs_;
}

void FoldedFile::load_schema() {
  const std::int64_t known = schema.version();
  schema.load(db);
  fold.schema_changed();
  if (schema.version() != known) index_.clear();  // what its transactions touch may be more now
}

bool FoldedFile::has_another_schema() { return !schema.is_current(db); }

void FoldedFile::index_outbox() {
  while (!index_.take(kIndexSliceBytes)) continue;
}

bool FoldedFile::index_rest_of_outbox() {
  if (!index_.take(kIndexUnderLockBytes)) return false;
  if (!index_.unfit().empty()) {
    throw Halt("a transaction that waits to be sent " + index_.unfit() +
               ": take that schema change back until colony run has sent it");
  }
  return true;
}

}  // namespace colony
