// Captures one schema (`main`, or an attached file) of one connection: which tables are
// recorded, what is taken back with a savepoint, and what the commit writes.
//
// Threads: those of the connection, one at a time; the calls are SQLite's own, in its
// order. Errors: RecordError, SpillError, std::bad_alloc; the transaction must then not
// be committed.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sqlite_ext/outbox_writer.h"
#include "sqlite_ext/recorder.h"

namespace colony {

class SchemaCapture {
 public:
  SchemaCapture(sqlite3* db, std::string schema, const SqliteHost& host, const std::optional<SpillSettings>& spill);
  SchemaCapture(const SchemaCapture&) = delete;
  SchemaCapture& operator=(const SchemaCapture&) = delete;

  const std::string& schema() const { return schema_; }

  // The schema was read anew: so must the tables be, before the next recording.
  void schema_changed() { tables_known_ = false; }

  // sqlite3_close() refuses while statements are left, and disconnects virtual
  // tables before it looks.
  void release_statements();

  // A transaction is going to change one of the tables.
  void begin() {
    if (!tables_known_) load_tables();
  }

  // A row changes, as the preupdate hook says. Each of an app's changes comes by here.
  void record(int op, const char* table, sqlite3_int64 old_rowid);

  void savepoint(int level);
  void release(int level);
  void rollback_to(int level);

  // Writes the recording into the outbox. It stays until clear(): the commit may fail,
  // and the transaction go on.
  void sync();

  // The transaction is over.
  void clear();

 private:
  struct Mark {
    int level;
    std::size_t at;
  };

  void truncate_marks(int level);
  std::vector<std::string> query_names(const std::string& sql);
  void load_tables();

  sqlite3* db_;
  const SqliteHost& host_;
  std::string schema_;
  Recorder recorder_;
  OutboxWriter outbox_;
  std::vector<Mark> marks_;
  bool tables_known_ = false;
  std::set<std::string, std::less<>> guarded_strangers_;  // tables that took their guards to another name
  bool written_ = false;                                  // all of the recording is in the outbox
};

}  // namespace colony
