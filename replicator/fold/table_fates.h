// What has become of tables in a migration: told by its statements, or guessed where a program
// has run them.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "replicator/store/sqlite.h"
#include "sqlite_ext/schema_change.h"
#include "sqlite_ext/schema_difference.h"
#include "sqlite_ext/table_history.h"

namespace colony {

std::map<std::string, TableFate> fates_of(const SchemaObjects& before, const TableHistory& history);

// A table that is gone while an equal one of another name is new was renamed; a column, likewise,
// if it is the only one that has another name, at its place. What else was altered was remade,
// unless columns were added at its end.
std::map<std::string, TableFate> guessed_fates(const SchemaObjects& before, const SchemaObjects& after);

// Where tables stand in a file, by their names: a table that is renamed stays where it is.
struct TablePlace {
  std::int64_t entry = 0, root = 0;  // in sqlite_schema, and its first page
  bool operator==(const TablePlace&) const = default;
};
using TablePlaces = std::map<std::string, TablePlace>;

// The same where that is known. A table made anew with the same definition counts as the same.
std::map<std::string, TableFate> told_fates(const SchemaObjects& before, const TablePlaces& places_before,
                                            const SchemaObjects& after, const TablePlaces& places_after);

// What rows that were there have in new columns of tables that were remade, as the rows of
// `after` say. `before` has these tables as they were.
void fill_new_columns(Database& before, Database& after, SchemaChanges& changes);

}  // namespace colony
