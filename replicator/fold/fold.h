// The fold: the deterministic rule that applies one transaction of the log to
// the rows of a file. Its result depends on the rows and the transaction only.
//
//   operation | row exists                          | row is missing
//   INSERT    | all columns take the new values     | inserted
//   UPDATE    | the changed columns take the values | nothing
//   DELETE    | deleted                             | nothing
//
// Rows in the way of a unique index are deleted. Whatever an operation met that
// its origin did not know of is a Conflict.
//
// A transaction is a set: each row changes at most once, so the order of its
// changes means nothing except when two of them compete for a unique value (the
// later in the changeset wins). Two changes may seem to collide half-way (a
// swap of unique values): then all rows of the set are taken out before any is
// put back.
//
// What the caller owes it: one write transaction around the call, and a
// connection made by open_for_fold(), which fires no triggers and enforces no
// foreign keys. Throws SchemaMismatch if the file's tables are not those that the
// changeset was made of, or cannot be changed without the app, or feed a virtual table
// that is damaged; ChangesetError for bytes that are no changeset; SqliteError or
// SpillError for the rest. The caller then rolls back.
#pragma once

#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "replicator/fold/column_mapping.h"
#include "replicator/fold/conflict.h"
#include "replicator/fold/derived_triggers.h"
#include "replicator/fold/row_places.h"
#include "replicator/fold/table_statements.h"
#include "replicator/store/replicated_schema.h"
#include "sqlite_ext/recorder.h"
#include "sqlite_ext/schema_change.h"

namespace colony {

// A connection for the fold and nothing else.
Database open_for_fold(const std::string& path, const std::optional<SpillSettings>& spill = std::nullopt);

class Fold {
 public:
  // `schema` is loaded anew whenever a transaction changes it.
  Fold(Database& db, ReplicatedSchema& schema);
  ~Fold();

  // To be called when `schema` was loaded anew by somebody else.
  void schema_changed();

  // How many of the last columns of these tables the log does not have yet: rows of other nodes
  // do not find them by their names.
  void hide_columns(std::map<std::string, std::size_t> columns) { hidden_columns_ = std::move(columns); }

  // Takes back what a transaction has done to the schema: what came after its rows before they
  // are undone, and the rest once they are.
  void take_back(const SchemaChanges& done);

  // Throws SchemaMismatch if there is a table whose rows cannot be changed without the app:
  // for who changes them by other ways than apply().
  void check_derived() const;

  // How many prepared statements it keeps, and the memory that they take.
  const StatementCache& kept_statements() const { return cache_; }

  // Called with the key of each row that is displaced, before anything else is
  // decided: the applier asks whether a pending transaction knows that row.
  using OnDisplaced = std::function<void(const ReplicatedTable& table, const std::vector<Value>& row)>;
  void on_displaced(OnDisplaced callback) { on_displaced_ = std::move(callback); }

  // Applies the changeset, its changes of the schema first, and appends what it collided with to `conflicts`.
  // `shape`, if given, is that of its tables at the origin.
  void apply(ChangesetView changeset, Conflicts& conflicts, std::optional<std::uint64_t> shape = std::nullopt);

  // The same, and gives the changeset of what really changed.
  Spill apply_recorded(ChangesetView changeset, Conflicts& conflicts,
                       std::optional<std::uint64_t> shape = std::nullopt);

 private:
  class Recording;

  void change_schema(const SchemaChanges& changes, std::uint64_t known, Conflicts& conflicts);
  void make_unique_indexes(const SchemaChanges& changes, std::uint64_t known, Conflicts& conflicts);
  void apply_rows(ChangesetView changeset, Conflicts& conflicts);
  void apply_unexplained(ChangesetView changeset, Conflicts& conflicts);
  [[noreturn]] void explain(const SqliteError& error);
  TableStatements& statements_for(const ChangesetTable& table);
  std::size_t visible_columns(const ReplicatedTable& table) const;
  ChangesetTable visible_part(const ReplicatedTable& table) const;
  TableStatements* begin_table(const ChangesetReader& reader);
  bool find_place(TableStatements* table, Conflicts& conflicts);
  void map_by_position(const TableStatements& statements);
  void replace_nulls(const ReplicatedTable& table);
  static bool is_refused(int rc, const TableStatements& table, const std::vector<Value>& key_holder,
                         const std::vector<Value>& values, Conflicts& conflicts);
  bool apply_one_by_one(ChangesetView changeset, Conflicts& conflicts);
  bool apply_change(TableStatements& table, const Change& change, Conflicts& conflicts);
  bool apply_insert(TableStatements& table, const Change& change, Conflicts& conflicts);
  bool apply_update(TableStatements& table, const Change& change, Conflicts& conflicts);
  void apply_delete(TableStatements& table, const Change& change, Conflicts& conflicts);
  void take_out(TableStatements& table, bool exists, Spill& images);
  void apply_as_set(ChangesetView changeset, Conflicts& conflicts);
  bool replace_whole(TableStatements& table, const Change& change);
  void put_images(Spill& images, Conflicts& conflicts);
  void put(TableStatements& table, const std::vector<Value>& row, Conflicts& conflicts);
  bool can_collide(ChangesetView changeset);

  Database& db_;
  ReplicatedSchema& schema_;
  Recorder recorder_;
  RowPlaces places_;                      // of the rows of the changeset at hand
  std::optional<ColumnMapping> mapping_;  // of the table at hand, if it needs one
  SchemaChanges schema_done_;             // by the transaction that was applied last
  Spill destroyed_;                       // rows that it has destroyed with that, if it is recorded
  bool recording_paused_ = false;         // while the schema is changed
  bool recording_ = false;
  std::exception_ptr recording_failed_;
  bool any_unique_ = false;
  std::map<std::string, std::size_t> hidden_columns_;
  OnDisplaced on_displaced_;
  std::map<std::string, DerivedTables> derived_;  // by the table whose triggers feed them
  StatementCache cache_;
  std::map<std::pair<std::string, std::size_t>, std::unique_ptr<TableStatements>> statements_;
  Statement savepoint_, rollback_to_, release_;
  const ReplicatedTable* at_work_on_ = nullptr;  // the table that is being changed
  std::uint64_t shape_ = 0;                      // combined, of the tables of the changeset at hand
  Change change_;
  std::vector<Value> row_;  // the row that a change met
  std::string row_storage_;
};

}  // namespace colony
