#include "replicator/apply/folded_file.h"

namespace colony {
namespace {

constexpr std::size_t kIndexSliceBytes = 1u << 20;
constexpr std::size_t kIndexUnderLockBytes = 256u << 10;

}  // namespace

FoldedFile::FoldedFile(const std::string& path, const std::optional<SpillSettings>& spill)
    : db(open_for_fold(path, spill)), records(db), fold(db, schema), journal(db), index_(records, schema, pending) {}

void FoldedFile::load() {
  const Sequence known_position = position;
  const std::int64_t known_repairs = repairs_;
  position = records.position();
  repairs_ = records.repairs();
  if (position != known_position || repairs_ != known_repairs || !index_.is_current()) index_.clear();
  load_schema();
  log_bytes = records.log_bytes();
  log_chain = records.log_chain();
  origins = records.origins();
}

bool FoldedFile::was_put_back() {
  return records.position() != position || records.outbox_end() < index_.end() || records.repairs() != repairs_;
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
