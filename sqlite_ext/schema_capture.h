// Captures one schema (`main`, or an attached file) of one connection: which tables are
// recorded, what is taken back with a savepoint, and what the commit writes.
//
// A transaction may change rows and the schema in any order. Tables are read anew before
// the next statement, or at the latest when the next row changes; SchemaJudge says at the
// commit whether the new schema may be.
//
// Threads: those of the connection, one at a time; the calls are SQLite's own, in its
// order. Errors: RecordError, SpillError, std::bad_alloc; the transaction must then not
// be committed.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sqlite_ext/outbox_writer.h"
#include "sqlite_ext/recorder.h"
#include "sqlite_ext/schema_judge.h"

namespace colony {

class SchemaCapture {
 public:
  SchemaCapture(sqlite3* db, std::string schema, const SqliteHost& host, const std::optional<SpillSettings>& spill);
  ~SchemaCapture() { release_statements(); }
  SchemaCapture(const SchemaCapture&) = delete;
  SchemaCapture& operator=(const SchemaCapture&) = delete;

  const std::string& schema() const { return schema_; }

  // The schema was read anew: so must the tables be, before the next recording.
  void schema_changed() { tables_known_ = false; }

  // sqlite3_close() refuses while statements are left, and disconnects virtual
  // tables before it looks.
  void release_statements();

  // The virtual table takes part in the transaction from now on: sync() will be called
  // before it commits. `is_watched`: each change of the schema by this connection since
  // the tables were read was told by before_schema_change(), so that nobody has to look.
  void begin(bool is_watched);
  // The transaction was rolled back. A statement that changes the schema outside a transaction
  // may run again at once, since the schema that it was compiled for was an older one, without
  // anybody being told of it: what is known of it is then kept. True if so.
  bool rolled_back();
  // Whether it is, until the next statement.
  bool awaits_another_run() const { return awaits_another_run_; }
  // It has run again, and is about to commit.
  void sync_another_run();
  bool takes_part() const { return takes_part_; }
  // The same, of a virtual table that is made in this very transaction.
  void begin_as_made() { takes_part_ = made_ = true; }

  // A statement comes: what statements before it have done to the schema is read.
  void before_statement();
  // And this one, whose text is given, is going to change the schema.
  void before_schema_change(const char* text);

  // Whether rows of this table are captured, or judged.
  bool concerns(const char* table);

  // A row changes, as the preupdate hook says. Each of an app's changes comes by here.
  void record(int op, const char* table, sqlite3_int64 old_rowid);

  // For a connection that may change the schema: tables that differ from what is agreed
  // are then left alone, not refused.
  void allow_schema_changes() { allows_schema_changes_ = true; }

  void savepoint(int level);
  void release(int level);
  void rollback_to(int level);

  // Writes the recording into the outbox. It stays until clear(): the commit may fail,
  // and the transaction go on.
  void sync(bool is_watched);

  // The transaction is over.
  void clear();

 private:
  struct Mark {
    int level;
    std::size_t at;  // in the recording
    SchemaJudge::Mark schema;
  };

  void truncate_marks(int level);
  std::vector<std::string> query_names(const std::string& sql);
  void load_tables();
  void set_tables();
  void find_renamed();
  void settle_history();
  void forget_statement();
  void write_with_schema(const std::vector<std::string>& new_tables);
  sqlite3_int64 schema_version();
  void judge_touched();

  sqlite3* db_;
  const SqliteHost& host_;
  std::string schema_;
  Recorder recorder_;
  OutboxWriter outbox_;
  SchemaJudge judge_;
  std::vector<Mark> marks_;
  sqlite3_int64 loaded_version_ = 0;  // when the tables were read
  sqlite3_int64 begun_version_ = 0;   // when the transaction began
  std::string dropping_;              // a table whose rows are recorded already, by the statement at hand
  std::size_t before_statement_ = 0;  // in the recording
  bool takes_part_ = false;
  bool runs_alone_ = false;  // the statement that changes the schema is its own transaction
  bool awaits_another_run_ = false;
  bool syncing_ = false;  // the hook then sees what sync() itself writes
  bool made_ = false;     // the virtual table, in this transaction
  bool tables_known_ = false;
  bool allows_schema_changes_ = false;
  bool written_ = false;                                     // all of the recording is in the outbox
  std::map<std::string, std::string, std::less<>> refused_;  // tables and why, of those known to have changed
  std::vector<std::string> strangers_;                       // not replicated, and written in this transaction
};

}  // namespace colony
