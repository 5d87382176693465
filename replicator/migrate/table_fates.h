// What has become of tables in a migration: told by its statements, or guessed where a program
// has run them.
#pragma once

#include <map>
#include <string>

#include "sqlite_ext/schema_difference.h"
#include "sqlite_ext/table_history.h"

namespace colony {

std::map<std::string, TableFate> fates_of(const SchemaObjects& before, const TableHistory& history);

// A table that is gone while an equal one of another name is new was renamed; a column, likewise,
// if it is the only one that has another name, at its place. What else was altered was remade,
// unless columns were added at its end.
std::map<std::string, TableFate> guessed_fates(const SchemaObjects& before, const SchemaObjects& after);

}  // namespace colony
