// A node's file in memory, and words to write tests in: rows and changesets as
// text that a failed expectation can show.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "replicator/fold/conflict.h"
#include "replicator/fold/fold.h"
#include "replicator/store/file_layout.h"
#include "replicator/store/node_file.h"
#include "replicator/store/replicated_schema.h"
#include "replicator/store/sqlite.h"

namespace colony::unit {

// The name of a new database in memory: every connection that opens it sees the
// same one, until the last is closed.
std::string new_memory_path();

// 5, 5.0, 'text', x'00ff', NULL; a dot for a column that a change does not speak of.
std::string shown(const Value& value);
std::string shown(const std::vector<Value>& row);

// The rows of a table (or what follows FROM), one a line, in the order of all their columns.
std::string rows(Database& db, const std::string& table);

// One line a change: `t + 1 'a'` (inserted), `t - 1 'a'` (deleted), `t ~ 1 'a'>'b' .`
// (updated: the key, changed columns, dots).
std::string shown_changes(std::string_view changeset);

// One line a conflict: kind, table, key, what was lost.
std::string shown_conflicts(Conflicts& conflicts);

// The changeset that undoes it.
std::string inverted(std::string_view changeset);

// The error of `sql`; empty if it succeeds.
std::string error_of(Database& db, const std::string& sql);

struct ExistingFile {
  std::string path;
};

// An app's connection to a file in memory that is a node of a colony.
class MemoryNode {
 public:
  // Makes the tables of `schema` and replicates all that have a primary key.
  explicit MemoryNode(const std::string& schema, const std::string& node = "a", GuardKind guard = GuardKind::kIndex);
  // Of a file that is a node's already.
  explicit MemoryNode(const ExistingFile& file);

  Database& db() { return db_; }
  const std::string& path() const { return db_.path(); }

  MemoryNode& run(const std::string& sql) {
    db_.execute(sql);
    return *this;
  }
  std::string rows(const std::string& table) { return unit::rows(db_, table); }

  // What `sql` left in the outbox: the changes, and `--` between transactions.
  std::string captured(const std::string& sql);
  // The same, as the one changeset that it must be; empty if there is none.
  std::string changeset_of(const std::string& sql);

  // Every transaction of the outbox.
  std::vector<std::string> outbox();

 private:
  Database db_;
};

// Opens a further connection with capture.
Database open_captured(const std::string& path);

// As `colony init --capture` does, while the connections of programs stay open.
void put_into_mode(const std::string& path, CaptureMode mode);

// Guards the tables that have a primary key, and lists them as replicated.
void replicate_all(Database& db);

// The fold's own connection to a file in memory.
class MemoryFold {
 public:
  explicit MemoryFold(const std::string& path);
  // A file of its own, with `schema` and these rows.
  MemoryFold(const std::string& schema, const std::string& rows);

  Database& db() { return db_; }
  Fold& fold() { return fold_; }
  const ReplicatedSchema& schema() const { return schema_; }
  std::string rows(const std::string& table) { return unit::rows(db_, table); }

  // Applies it in a transaction and tells the conflicts.
  std::string apply(std::string_view changeset);
  // The same, and gives what really changed.
  std::string effect_of(std::string_view changeset, Conflicts* conflicts = nullptr);
  void reload();

 private:
  Database db_;
  ReplicatedSchema schema_;
  Fold fold_;
};

// The changeset of `sql`, done to a file with `schema` and the rows that `before` makes.
std::string changeset_at_origin(const std::string& schema, const std::string& before, const std::string& sql);

}  // namespace colony::unit
