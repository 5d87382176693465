#include "replicator/membership/outbox_fit.h"

#include <algorithm>

#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/changeset.h"
#include "sqlite_ext/spill.h"

namespace colony {
namespace {

constexpr std::size_t kSliceBytes = 1u << 20;

bool fits(const ChangesetTable& section, const ReplicatedTable* table) {
  if (table == nullptr || section.columns() > table->columns.size()) return false;
  const auto rest = table->key.begin() + static_cast<std::ptrdiff_t>(section.columns());
  return std::equal(section.key.begin(), section.key.end(), table->key.begin()) &&
         std::all_of(rest, table->key.end(), [](auto place) { return place == 0; });
}

// The first table of the changeset that is not as it was; empty if all are.
std::string unfit_table(ChangesetView changeset, std::uint64_t shape, const ReplicatedSchema& schema) {
  ChangesetReader reader(changeset);
  Change change;
  std::uint64_t shape_now = 0;
  std::size_t tables = 0;
  while (reader.next(change)) {
    if (tables == reader.tables_begun()) continue;
    tables = reader.tables_begun();
    const ReplicatedTable* const table = schema.find(reader.table().name);
    if (!fits(reader.table(), table)) return reader.table().name;
    shape_now = combine_shapes(shape_now, table->shape(reader.table().columns()));
  }
  return shape_now == shape ? "" : reader.table().name;
}

}  // namespace

UnfitTransactions find_unfit_transactions(NodeFile& file, const ReplicatedSchema& schema) {
  UnfitTransactions unfit;
  Spill changeset(file.spill());
  ChunkNumber end;
  for (;;) {
    const std::vector<OutboxChunk> chunks = file.outbox_after(end, kSliceBytes);
    if (chunks.empty()) return unfit;
    for (const OutboxChunk& chunk : chunks) {
      end = chunk.chunk;
      changeset.append(chunk.changeset);
      if (!chunk.last) continue;
      const std::string table = unfit_table(changeset, chunk.shape, schema);
      if (!table.empty() && unfit.count++ == 0) unfit.table = table;
      changeset.clear();
    }
  }
}

}  // namespace colony
