#include "replicator/node/folded_file.h"

namespace colony {
namespace {

constexpr std::size_t kIndexSliceBytes = 1u << 20;
constexpr std::size_t kIndexUnderLockBytes = 256u << 10;

}  // namespace

FoldedFile::FoldedFile(const std::string& path, const std::optional<SpillSettings>& spill)
    : db(open_for_fold(path, spill)), records(db), fold(db, schema), journal(db), index_(records, schema, pending) {}

void FoldedFile::load() {
  const std::int64_t known_schema = schema.version();
  const Sequence known_position = position;
  const std::int64_t known_repairs = repairs_;
  schema.load(db);
  fold.schema_changed();
  position = records.position();
  repairs_ = records.repairs();
  const bool knows_rows = schema.version() == known_schema && position == known_position && repairs_ == known_repairs;
  if (!knows_rows || !index_.is_current()) index_.clear();
  log_bytes = records.log_bytes();
  log_chain = records.log_chain();
  origins = records.origins();
}

bool FoldedFile::was_put_back() {
  return records.position() != position || records.outbox_end() < index_.end() || records.repairs() != repairs_;
}

bool FoldedFile::has_another_schema() { return db.query_integer("PRAGMA schema_version") != schema.version(); }

void FoldedFile::index_outbox() {
  while (!index_.take(kIndexSliceBytes)) continue;
}

bool FoldedFile::index_rest_of_outbox() {
  const bool knew_some = index_.end() != PieceNumber();
  if (schema.refresh(db)) {
    fold.schema_changed();
    index_.clear();  // what they touch may be more now
    if (knew_some) return false;
  }
  return index_.take(kIndexUnderLockBytes);
}

}  // namespace colony
