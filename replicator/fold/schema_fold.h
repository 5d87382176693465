// Applies what a transaction of the log does to the schema, and takes it back. The result
// depends on the file's schema and rows, and on the changes only.
//
// Changes are matched by meaning: what is there already counts as made, whoever has made
// it. Of two different changes of one object the first in the log stands; the second is a
// Conflict (kSchemaDiffers). A new table with a key is replicated from then on. A table that
// is remade keeps this file's rows, by the names of their columns; rows that a new constraint
// has no room for are displaced, those with the smaller keys.
//
// In the caller's write transaction, on a connection of open_for_fold(). Errors:
// SchemaMismatch for what this SQLite cannot make; SqliteError for the rest.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "replicator/fold/conflict.h"
#include "replicator/fold/schema_matching.h"
#include "replicator/store/sqlite.h"
#include "sqlite_ext/schema_change.h"

namespace colony {

class SchemaFold {
 public:
  // All must outlive it. `destroyed`, if given, gets the rows that do not survive as they
  // are, as a changeset that deletes them from the tables before the changes.
  SchemaFold(Database& db, SchemaHistory history, Conflicts& conflicts, Spill* destroyed = nullptr)
      : db_(db), history_(history), conflicts_(conflicts), destroyed_(destroyed) {}

  void apply(const SchemaChanges& changes);

  // What apply() has really done.
  const SchemaChanges& done() const { return done_; }
  // The tables all of whose rows are among the destroyed, and are there again.
  const std::set<std::string>& rewritten() const { return rewritten_; }

 private:
  void apply_one(SchemaChange change);
  void create(const SchemaChange& change);
  bool create_on_what_is_there(const SchemaChange& change);
  void create_table(const SchemaChange& change);
  void create_unique_index(const SchemaChange& change);
  void drop(const SchemaChange& change);
  void drop_table(const SchemaChange& change);
  void replace(const SchemaChange& change);
  void add_column(const SchemaChange& change);
  void add_column_by_remake(const SchemaChange& change, const std::string& present);
  void follow_renamed(SchemaChange& change) const;
  void rename_table(const SchemaChange& change);
  void rename_column(const SchemaChange& change);
  void remake(const SchemaChange& change);
  void copy_rows(const SchemaChange& change);
  void copy_one_by_one(const std::string& table, const std::vector<std::string>& key, const std::string& insert);
  void displace(const std::string& table, const std::string& condition);
  void drop_objects_of(const std::string& table);
  void destroy_rows(const std::string& table, const std::string& condition);
  void note_layout(const SchemaChange& change);
  void lose(const SchemaChange& change);

  Database& db_;
  SchemaHistory history_;
  Conflicts& conflicts_;
  Spill* destroyed_;
  SchemaChanges done_;
  std::set<std::string> rewritten_;
};

}  // namespace colony
