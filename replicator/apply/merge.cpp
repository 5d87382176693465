#include "replicator/apply/merge.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "replicator/fold/table_statements.h"
#include "sqlite_ext/capture.h"
#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

// Cuts a changeset of INSERTs into the chunks of one transaction.
class Chunks {
 public:
  using Write = std::function<void(std::string_view chunk)>;

  explicit Chunks(Write write) : write_(std::move(write)) {}

  void add(const ReplicatedTable& table, const std::vector<Value>& row) {
    ChangesetWriter writer(bytes_);
    if (&table != table_) {
      table_ = &table;
      writer.begin_table({table.name, table.key});
      shape_ = combine_shapes(shape_, table.shape(table.columns.size()));
    }
    writer.add(Operation::kInsert, {}, row);
    std::size_t at = 0;
    for (; bytes_.size() - at > kOutboxChunkBytesMax; at += kOutboxChunkBytesMax) {
      write_(std::string_view(bytes_).substr(at, kOutboxChunkBytesMax));
    }
    bytes_.erase(0, at);
  }
  void end() {
    if (!bytes_.empty()) write_(bytes_);
    bytes_.clear();
  }
  std::uint64_t shape() const { return shape_; }  // of all tables so far

 private:
  Write write_;
  std::string bytes_;
  std::uint64_t shape_ = 0;
  const ReplicatedTable* table_ = nullptr;
};

std::uint64_t add_rows(Database& db, const ReplicatedTable& table, Chunks& chunks) {
  std::string names;
  for (const std::string& column : table.columns) names += (names.empty() ? "" : ",") + quoted(column);
  const std::string where = table.key_allows_null() ? " WHERE " + table.key_is_whole() : "";
  Statement all(db, "SELECT " + names + " FROM main." + quoted(table.name) + where);
  std::vector<Value> row(table.columns.size());
  std::uint64_t rows = 0;
  for (; all.step(); ++rows) {
    for (std::size_t i = 0; i < row.size(); ++i) row[i] = all.value(static_cast<int>(i));
    chunks.add(table, row);
  }
  return rows;
}

// The rows of these INSERTs that the file does not have, as the same transaction. It stays
// as many chunks, of which the last may be empty: those that come after keep their numbers.
void rewrite(FoldedFile& file, ChunkNumber first, ChunkNumber last, Spill& inserts) {
  Statement update(file.db, "UPDATE __colony_outbox SET changeset = ?2, effect = NULL WHERE piece = ?1");
  ChunkNumber next = first;
  Chunks chunks([&](std::string_view chunk) {
    COLONY_ASSERT(next <= last);
    update.bind(1, static_cast<std::int64_t>(next.value())).bind_blob(2, chunk).run();
    next = next.next();
  });
  ChangesetReader reader(inserts);
  Change change;
  StatementCache cache(file.db);
  std::unique_ptr<TableStatements> statements;
  std::vector<Value> there;
  std::string storage;
  while (reader.next(change)) {
    const ReplicatedTable* const table = file.schema.find(reader.table().name);
    if (table == nullptr) continue;
    if (!statements || &statements->table() != table) {
      statements = std::make_unique<TableStatements>(cache, *table, table->columns.size());
    }
    bool is_there = statements->select(change.after, there, storage);
    for (std::size_t i = 0; is_there && i < there.size(); ++i) is_there = identical(there[i], change.after[i]);
    if (!is_there) chunks.add(*table, change.after);
  }
  chunks.end();
  for (; next <= last; next = next.next()) {
    update.bind(1, static_cast<std::int64_t>(next.value())).bind_blob(2, std::string_view("", 0)).run();
  }
  Statement(file.db, "UPDATE __colony_outbox SET shape = ?1 WHERE piece BETWEEN ?2 AND ?3")
      .bind(1, static_cast<std::int64_t>(chunks.shape()))
      .bind(2, static_cast<std::int64_t>(first.value()))
      .bind(3, static_cast<std::int64_t>(last.value()))
      .run();
}

}  // namespace

void check_mergeable(NodeFile& file, const std::string& path) {
  if (!file.has_met_colony()) return;
  throw Error(path + " has joined colony " + file.identity().cluster +
              " already, and its rows are the colony's: there is nothing to merge");
}

std::uint64_t merge_own_rows(Database& db, NodeFile& file) {
  check_mergeable(file, db.path());
  db.execute("DELETE FROM __colony_outbox; DELETE FROM __colony_conflicts WHERE sequence = 0");
  ReplicatedSchema schema;
  schema.load(db);
  Statement insert(db, "INSERT INTO __colony_outbox(piece, last, shape, changeset) VALUES(?1, 0, 0, ?2)");
  ChunkNumber last = file.absorbed();
  const ChunkNumber first = last.next();
  Chunks chunks([&](std::string_view chunk) {
    last = last.next();
    insert.bind(1, static_cast<std::int64_t>(last.value())).bind_blob(2, chunk).run();
    COLONY_STEP("merge.chunk_written");
  });
  std::uint64_t rows = 0;
  for (const auto& [name, table] : schema.tables()) rows += add_rows(db, table, chunks);
  chunks.end();
  file.set_merged(last);
  if (rows == 0) return 0;
  Statement(db, "UPDATE __colony_outbox SET shape = ?1, last = (piece = ?3) WHERE piece BETWEEN ?2 AND ?3")
      .bind(1, static_cast<std::int64_t>(chunks.shape()))
      .bind(2, static_cast<std::int64_t>(first.value()))
      .bind(3, static_cast<std::int64_t>(last.value()))
      .run();
  return rows;
}

void leave_out_what_is_there(FoldedFile& file) {
  const ChunkNumber last = file.records.merged();
  if (last == ChunkNumber() || !file.pending.contains(last) || !file.records.outbox_chunk(last)) return;
  const ChunkNumber first = file.pending.first_chunk(last);
  if (file.records.absorbed() >= first) return;  // the log has some of it as it is
  Spill inserts = file.records.outbox_transaction(first, last);
  rewrite(file, first, last, inserts);
}

}  // namespace colony
