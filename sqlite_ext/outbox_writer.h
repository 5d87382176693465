// Writes the net changeset of a transaction into the outbox of its file, in chunks,
// within the very transaction.
//
// Threads: those of the connection, one at a time. Errors: RecordError, std::bad_alloc;
// what was written until then is remembered, and taken back by the next write().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sqlite_ext/recorder.h"
#include "sqlite_ext/sqlite_host.h"

namespace colony {

class OutboxWriter {
 public:
  // Of `schema` (`main`, or an attached file).
  OutboxWriter(sqlite3* db, const std::string& schema);
  ~OutboxWriter() { release_statements(); }
  OutboxWriter(const OutboxWriter&) = delete;
  OutboxWriter& operator=(const OutboxWriter&) = delete;

  // Writes all that is recorded but the rows of the tables in `left_out`, after `schema`, the section that changes
  // the schema, and in place of what this transaction has written before: a COMMIT that meets SQLITE_BUSY (in an
  // attached file that is not in WAL mode, say) leaves the transaction open, and the app may go on with it.
  void write(const Recorder& recorder, const std::set<std::string>& left_out = {}, std::string schema = {});

  // The same for a changeset that is complete; `shape` is the combined one of its tables.
  void write(std::string_view changeset, std::uint64_t shape);

  // What is to be undone of what was written, if that is not what was written.
  void write_effect(std::string_view effect);

  // Whether this transaction has rows in the outbox.
  bool has_written() const { return first_written_ != 0; }
  sqlite3_int64 first_written() const { return first_written_; }  // the first of them
  // Whether it is writing just now: the hook then sees the outbox row itself.
  bool is_writing() const { return writing_; }

  // The transaction is over.
  void clear() { first_written_ = 0; }

  // Finalizes the prepared statement that it keeps; it comes back when needed.
  void release_statements();

 private:
  void take_back();
  void prepare();
  bool commit_flushes() const;
  void write_chunk(std::string_view chunk, std::uint64_t shape, int last);

  sqlite3* db_;
  std::string synchronous_;         // the PRAGMA that tells
  std::string table_, meta_table_;  // quoted
  sqlite3_stmt* insert_ = nullptr;
  bool writing_ = false;
  sqlite3_int64 first_written_ = 0;  // the first chunk; 0: none
};

}  // namespace colony
