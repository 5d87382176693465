// A migration of the schema and the rows, made on a copy of a colony's file first, and then put
// into the file as one transaction that every node applies.
//
//   MigrationRehearsal rehearsal("app.db", go_on);   // copies the file
//   rehearsal.run_sql(text);                         // or run_command(words)
//   Migration migration = rehearsal.compare();       // what it has changed
//   put_into("app.db", migration);                   // now it counts
//
// Threads: one. Errors: Error, whose text says what to do; SqliteError, SpillError; Interrupted
// when `go_on` says so. Until put_into() has returned nothing has happened to the file.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "replicator/compare/row_differences.h"
#include "replicator/log/names.h"
#include "replicator/snapshots/snapshot_maker.h"
#include "sqlite_ext/schema_change.h"
#include "sqlite_ext/spill.h"
#include "sqlite_ext/table_history.h"

namespace colony {

struct Migration {
  SchemaChanges changes;
  std::vector<DifferingRows> rows;  // per table, beyond what follows from the changes; `mine` is after it
  Spill changeset;                  // all of it, as a transaction
  std::uint64_t shape = 0;
  std::int64_t schema_version = 0;  // of the file that was copied

  bool empty() const { return changes.empty() && rows.empty(); }
};

class MigrationRehearsal {
 public:
  // The copies stand in a folder beside the file, and go with this object. `begin`: see copy_pages().
  MigrationRehearsal(const std::string& database, const GoOn& go_on, const BeginRead& begin = {});
  ~MigrationRehearsal();
  MigrationRehearsal(const MigrationRehearsal&) = delete;
  MigrationRehearsal& operator=(const MigrationRehearsal&) = delete;

  // The ordinary SQLite file on which the migration runs.
  const std::string& copy() const { return copy_; }

  // Throws Error with what SQLite says and the statement.
  void run_sql(const std::string& sql);
  // `{}` in a word stands for the copy's path, and so does $COLONY_DATABASE in the program's
  // environment. Throws Error unless it exits with 0.
  void run_command(const std::vector<std::string>& words);

  Migration compare();

 private:
  std::string folder_, base_, copy_;
  std::int64_t schema_version_ = 0;
  std::map<std::string, TableFate> fates_;  // of the tables before, as run_sql() has told them
  bool fates_known_ = false;
};

// Gives the last chunk of the transaction. Throws Error if the file has got another schema
// since it was copied.
ChunkNumber put_into(const std::string& database, Migration& migration);

}  // namespace colony
