// Puts the rows of a changeset under the columns that a table has now, by the names that
// the changeset gives: while schema changes are under way on several nodes, their order
// alone does not tell.
//
// A column that the rows lack has in rows that come or go what every node gives it. Values are
// stored as the columns' types have it. What the table has no place for is lost, and a Conflict.
//
// Threads: one. Errors: std::bad_alloc.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "replicator/fold/conflict.h"
#include "replicator/fold/type_conversion.h"
#include "replicator/store/replicated_schema.h"
#include "sqlite_ext/changeset.h"

namespace colony {

// Whether an INTEGER PRIMARY KEY can have the key of this change.
bool has_fitting_key(const ReplicatedTable& table, const Change& change);

// The same changeset, whose tables are as they are in `schema`, with the names of their columns.
Spill with_column_names(const ReplicatedSchema& schema, ChangesetView changeset, const SpillSettings& spill);

class ColumnMapping {
 public:
  // Nothing if the changeset names no columns. `table` must outlive it, and of its columns
  // only the first `columns` count.
  static std::optional<ColumnMapping> between(const ReplicatedTable& table, const ChangesetTable& from,
                                              std::size_t columns);

  // For rows of a table, as `from` names its columns, that is no more.
  static ColumnMapping to_nowhere(const std::string& table, const ChangesetTable& from);

  // Rewrites the change, whose values stay views into what they were views into, or into
  // this. False if nothing of it has a place. Conflicts are added if that is given.
  bool map(Change& change, Conflicts* conflicts);

 private:
  ColumnMapping(std::string name, const ReplicatedTable* table, const ChangesetTable& from)
      : name_(std::move(name)), table_(table), from_(from) {}

  std::vector<Value> mapped(const std::vector<Value>& values, bool whole);
  std::vector<Value> key_of(const Change& change) const;
  void lose(const Change& change, Conflicts& conflicts) const;

  std::string name_;              // of the table
  const ReplicatedTable* table_;  // null: it is no more
  ChangesetTable from_;
  std::vector<std::optional<std::size_t>> from_of_;  // per column of the table
  std::vector<bool> has_place_;                      // per column of the changeset
  std::vector<std::string> defaults_;                // per column of the table: encoded, of those that `from` lacks
  std::unique_ptr<TypeConversion> conversion_;
  bool same_key_ = true;
};

}  // namespace colony
