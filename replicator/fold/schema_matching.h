// Whether a change of the schema was made already, by whomever: what is there is compared by
// meaning, and what was there by the history of the tables.
//
// Errors: SqliteError.
#pragma once

#include <string>

#include "replicator/store/layout_history.h"
#include "sqlite_ext/schema_change.h"

namespace colony {

// What tables were when a transaction comes, and how much of that its origin knew. What others
// have made besides was made at the same time.
struct SchemaHistory {
  const LayoutHistory& layouts;
  std::size_t known = 0;
};

// Of CREATE TABLE statements.
bool is_virtual(const std::string& create_table);

// Whether two tables are the same in what decides a fold.
bool is_same_table(const std::string& a, const std::string& b);

// Whether the table that is there is the one that is to be made, columns that were added
// since aside.
bool is_made_already(const std::string& present, const std::string& wanted);

// Whether others have made the same table at the same time, and made it anew, renamed or dropped
// it since.
bool was_made_meanwhile(const SchemaHistory& history, const SchemaChange& create);

// Whether others have dropped a table of this name at the same time.
bool was_dropped_meanwhile(const SchemaHistory& history, const std::string& table);

// Whether a table was remade like this before, and has been changed since.
bool was_remade(const LayoutHistory& layouts, const SchemaChange& remake);

// Whether others have renamed a column of this name at the same time, after they had made it.
bool was_renamed_meanwhile(const SchemaHistory& history, const SchemaChange& added);

}  // namespace colony
