// What rows that were there before a table was made anew have in columns that are new in it.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "sqlite_ext/sqlite_host.h"

namespace colony {

// The columns of `schema`.`table` that are not among `former`, each with an encoded value: the
// one that all rows have, or the column's default if that is a constant, or what its type
// has for nothing if it may not be NULL. Throws RecordError.
std::vector<std::pair<std::string, std::string>> new_column_values(sqlite3* db, const std::string& schema,
                                                                   const std::string& table,
                                                                   const std::vector<std::string>& former);

// What stands, encoded, instead of NULL in a column that may not be NULL: its default if that is
// a constant, or what its type has for nothing, which is 0, an empty text or an empty blob.
std::string value_for_null(const std::string& type, const std::string& default_sql);

// The same of all those columns of `schema`.`table`, by their names.
std::map<std::string, std::string> values_for_null(sqlite3* db, const std::string& schema, const std::string& table);

}  // namespace colony
