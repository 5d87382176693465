// The columns that tables had before they were altered, renamed, remade or dropped: in
// __colony_layouts, one row for each such change, in their order. By it, rows that a node
// wrote under an older schema find their places.
//
// Threads: those of the connection. Errors: RecordError.
#pragma once

#include <string>
#include <vector>

#include "sqlite_ext/schema_change.h"
#include "sqlite_ext/sqlite_host.h"

namespace colony {

// Whether such a change moves rows of its table to other places.
bool changes_layout(const SchemaChange& change);

// The table of `change` had these columns before it.
void append_layout(sqlite3* db, const std::string& schema, const SchemaChange& change,
                   const std::vector<std::string>& columns);

// How many such changes there were.
std::uint64_t count_layouts(sqlite3* db, const std::string& schema);

// The latest change was taken back.
void remove_last_layout(sqlite3* db, const std::string& schema);

// Of __colony_layouts.columns.
std::string encoded_names(const std::vector<std::string>& names);
std::vector<std::string> decoded_names(std::string_view bytes);

}  // namespace colony
