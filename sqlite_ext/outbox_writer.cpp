#include "sqlite_ext/outbox_writer.h"

#include <functional>
#include <utility>

#include "sqlite_ext/capture.h"
#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

constexpr const char* kCannotWrite = "cannot write the outbox";

}  // namespace

OutboxWriter::OutboxWriter(sqlite3* db, const std::string& schema)
    : db_(db),
      synchronous_("PRAGMA " + quoted(schema) + ".synchronous"),
      table_(quoted(schema) + ".__colony_outbox"),
      meta_table_(quoted(schema) + ".__colony_meta") {}

void OutboxWriter::release_statements() {
  sqlite3_finalize(insert_);
  insert_ = nullptr;
}

void OutboxWriter::write(const Recorder& recorder, const std::set<std::string>& left_out, std::string schema) {
  if (has_written()) take_back();
  std::string rest = std::move(schema);  // of what has come, shorter than a chunk
  std::uint64_t shape = 0;
  const auto drain = [&](std::string& bytes, std::uint64_t of_all) {
    shape = of_all;
    rest.empty() ? rest.swap(bytes) : static_cast<void>(rest.append(bytes));
    bytes.clear();
    std::size_t at = 0;
    for (; rest.size() - at > kOutboxChunkBytesMax; at += kOutboxChunkBytesMax) {
      write_chunk(std::string_view(rest).substr(at, kOutboxChunkBytesMax), shape, kMoreChunks);
    }
    if (at > 0) rest.erase(0, at);
  };
  recorder.write_changeset(std::ref(drain), left_out);  // by reference: nothing is allocated for it
  if (!rest.empty()) write_chunk(rest, shape, commit_flushes() ? kLastChunkFlushed : kLastChunk);
}

// SQLite refuses to change it within a transaction, and computes it when it is prepared.
// An authorizer may forbid it: then it does not, as far as we know.
bool OutboxWriter::commit_flushes() const {
  constexpr int kFull = 2;
  sqlite3_stmt* ask = nullptr;
  if (sqlite3_prepare_v2(db_, synchronous_.c_str(), -1, &ask, nullptr) != SQLITE_OK) return false;
  const bool is_full = sqlite3_step(ask) == SQLITE_ROW && sqlite3_column_int(ask, 0) >= kFull;
  sqlite3_finalize(ask);
  return is_full;
}

void OutboxWriter::write(std::string_view changeset, std::uint64_t shape) {
  if (has_written()) take_back();
  while (!changeset.empty()) {
    const std::string_view chunk = changeset.substr(0, kOutboxChunkBytesMax);
    changeset.remove_prefix(chunk.size());
    write_chunk(chunk, shape, changeset.empty());
  }
}

void OutboxWriter::write_effect(std::string_view effect) {
  const std::string sql = "UPDATE " + table_ + " SET effect = ?1 WHERE piece = " + std::to_string(first_written_);
  sqlite3_stmt* update = nullptr;
  if (sqlite3_prepare_v2(db_, sql.c_str(), -1, &update, nullptr) != SQLITE_OK) throw_record_error(db_, kCannotWrite);
  writing_ = true;
  sqlite3_bind_blob64(update, 1, effect.data(), effect.size(), SQLITE_STATIC);
  sqlite3_step(update);
  const int rc = sqlite3_finalize(update);
  writing_ = false;
  if (rc != SQLITE_OK) throw_record_error(db_, kCannotWrite);
}

void OutboxWriter::take_back() {
  const std::string sql = "DELETE FROM " + table_ + " WHERE piece >= " + std::to_string(first_written_);
  writing_ = true;
  const int rc = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  writing_ = false;
  if (rc != SQLITE_OK) throw_record_error(db_, kCannotWrite);
  first_written_ = 0;
}

// Numbers go on where the outbox ends, or, when all of it has been absorbed, where that
// ended.
void OutboxWriter::prepare() {
  const std::string sql = "INSERT INTO " + table_ +
                          "(piece, last, shape, changeset) VALUES(1 + coalesce((SELECT max(piece) FROM " + table_ +
                          "), (SELECT value FROM " + meta_table_ + " WHERE key = 'absorbed')), ?1, ?2, ?3)";
  if (sqlite3_prepare_v3(db_, sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &insert_, nullptr) != SQLITE_OK) {
    throw_record_error(db_, kCannotWrite);
  }
}

void OutboxWriter::write_chunk(std::string_view chunk, std::uint64_t shape, int last) {
  if (insert_ == nullptr) prepare();
  writing_ = true;
  sqlite3_bind_int(insert_, 1, last);
  sqlite3_bind_int64(insert_, 2, static_cast<sqlite3_int64>(shape));
  sqlite3_bind_blob64(insert_, 3, chunk.data(), chunk.size(), SQLITE_STATIC);
  sqlite3_step(insert_);
  const int rc = sqlite3_reset(insert_);
  if (first_written_ == 0) first_written_ = sqlite3_last_insert_rowid(db_);
  sqlite3_clear_bindings(insert_);
  writing_ = false;
  if (rc != SQLITE_OK) throw_record_error(db_, kCannotWrite);
  COLONY_STEP("capture.chunk_written");
}

}  // namespace colony
