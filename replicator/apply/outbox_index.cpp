#include "replicator/apply/outbox_index.h"

#include "sqlite_ext/schema_change.h"

namespace colony {
namespace {

// What undoing and redoing a changeset takes, in changes of a row of ordinary size.
std::size_t work_of(const WriteSet& write_set, std::size_t bytes) {
  constexpr std::size_t kBytesLikeARow = 512;
  return 1 + write_set.writes.size() + bytes / kBytesLikeARow;
}

}  // namespace

OutboxIndex::OutboxIndex(NodeFile& file, const ReplicatedSchema& schema, PendingTransactions& pending)
    : file_(file), schema_(schema), pending_(pending), changeset_(file.spill()) {}

void OutboxIndex::clear() {
  pending_.clear();
  end_ = ChunkNumber();
  first_.reset();
  changeset_.clear();
  unfit_.clear();
}

bool OutboxIndex::is_current() {
  if (end_ == ChunkNumber()) return true;
  const std::optional<OutboxChunk> last = file_.outbox_chunk(end_);
  if (!last) return end_ <= file_.absorbed() && pending_.empty();
  return message_hash(last->changeset) == end_hash_;
}

bool OutboxIndex::take(std::size_t bytes_max) {
  try {
    return read_on(bytes_max);
  } catch (...) {
    clear();  // it may have been read in part
    throw;
  }
}

bool OutboxIndex::read_on(std::size_t bytes_max) {
  const std::vector<OutboxChunk> chunks = file_.outbox_after(end_, bytes_max);
  chunks_read_ += chunks.size();
  if (!chunks.empty()) end_hash_ = message_hash(chunks.back().changeset);
  for (const OutboxChunk& chunk : chunks) {
    end_ = chunk.chunk;
    if (!first_) first_ = chunk.chunk;
    changeset_.append(chunk.changeset);
    if (!chunk.last) continue;
    WriteSet write_set;
    add_to_write_set(schema_, changeset_, write_set, chunk.shape);
    PendingTransactions::Schema schema{split_schema(changeset_).schema};
    schema.blocks = !leave_rows_alone(schema.changes);
    if (std::optional<Spill> effect = file_.effect(*first_, chunk.chunk)) {
      add_to_write_set(schema_, *effect, write_set);
      const SchemaChanges done = split_schema(*effect).schema;
      schema.blocks = !leave_rows_alone(done);
      schema.matched = done.empty();
    }
    if (!write_set.unfit.empty()) unfit_ = write_set.unfit;
    const std::size_t work = work_of(write_set, changeset_.size());
    pending_.add(*first_, chunk.chunk, std::move(write_set), work, std::move(schema));
    first_.reset();
    changeset_.clear();
  }
  return chunks.empty() || file_.outbox_end() <= end_;
}

}  // namespace colony
