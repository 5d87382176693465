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
  int declared_index = 0;    // among all columns, generated ones too
  int stored_index = 0;      // the same, virtual generated columns moved to the end
  bool real = false;         // REAL affinity: the hook may show 5.0 as the integer 5
  bool has_default = false;  // rows older than the column lack it: the hook shows NULL
  // A hook in storage order takes the affinity of a REAL column for this one's, and
  // shows its integers as reals.
  bool shown_as_real = false;
};

struct CapturedTable {
  ChangesetTable header;
  std::vector<CapturedColumn> columns;  // those that are replicated: no generated ones
  std::uint64_t shape = 0;              // of the names of the columns: see table_shape()
  bool without_rowid = false;
  // An INTEGER PRIMARY KEY that a virtual generated column precedes: a hook in
  // storage order takes another column for it, and its values cannot be told.
  bool rowid_key_displaced = false;

  std::size_t key_columns() const;
};

// A number that changes with the names or the order of a table's first `columns`
// columns. Entries carry it so that a row is never put into another shape.
std::uint64_t table_shape(const std::vector<std::string>& columns, std::size_t count);
std::uint64_t combine_shapes(std::uint64_t a, std::uint64_t b);

// Whether a column of this declared type has REAL affinity (sqlite.org/datatype3.html, 3.1).
bool has_real_affinity(const std::string& declared_type);

// "name", with its quotes doubled.
std::string quoted(const std::string& name);

// Reads what SQLite knows of `schema`.`name`; nothing if there is no such table
// or it has no declared primary key.
std::optional<CapturedTable> load_captured_table(sqlite3* db, const std::string& schema, const std::string& name);

}  // namespace colony
