// A replicated table as the preupdate hook of one connection sees it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sqlite_ext/changeset.h"
#include "sqlite_ext/sqlite_host.h"

namespace colony {

struct CapturedColumn {
  std::string name;
  std::string type;          // as declared
  std::string default_sql;   // empty: none
  int declared_index = 0;    // among all columns, generated ones too
  int stored_index = 0;      // the same, virtual generated columns moved to the end
  bool real = false;         // REAL affinity: the hook may show 5.0 as the integer 5
  bool has_default = false;  // rows older than the column lack it: the hook shows NULL
  // A hook in storage order takes the affinity of a REAL column for this one's, and
  // shows its integers as reals.
  bool shown_as_real = false;

  bool operator==(const CapturedColumn&) const = default;
};

struct CapturedTable {
  ChangesetTable header;
  std::vector<CapturedColumn> columns;  // those that are replicated: no generated ones
  std::uint64_t shape = 0;              // of the names of the columns: see table_shape()
  bool without_rowid = false;
  std::optional<std::size_t> rowid_column;  // an INTEGER PRIMARY KEY, which is stored as the rowid only
  // An INTEGER PRIMARY KEY that a virtual generated column precedes: a hook in
  // storage order takes another column for it, and its values cannot be told.
  bool rowid_key_displaced = false;

  std::size_t key_columns() const;
  bool operator==(const CapturedTable&) const = default;
};

// A number that changes with the names or the order of a table's first `columns`
// columns. Entries carry it so that a row is never put into another shape.
std::uint64_t table_shape(const std::vector<std::string>& columns, std::size_t count);
std::uint64_t combine_shapes(std::uint64_t a, std::uint64_t b);

// Whether a column of this declared type has REAL affinity (sqlite.org/datatype3.html, 3.1).
bool has_real_affinity(const std::string& declared_type);

// A view, good as long as the value is. Throws std::bad_alloc.
Value value_of(sqlite3_value* value);

// "name", with its quotes doubled.
std::string quoted(const std::string& name);

// What a row holds, as a changeset has it, in a column that was added after it was
// written: the column's default, in the storage that its type gives it. NULL if the
// default cannot be told without the rest of the schema.
std::string encoded_default(const std::string& declared_type, const std::string& default_sql);

// Reads what SQLite knows of `schema`.`name`; nothing if there is no such table
// or it has no declared primary key.
std::optional<CapturedTable> load_captured_table(sqlite3* db, const std::string& schema, const std::string& name);

}  // namespace colony
