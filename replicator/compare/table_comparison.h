// What differs between the replicated tables of two files, so that a person can be told.
//
// Rows are compared by key and byte by byte, definitions as far as they decide how a log
// is folded (table_definition.h). Memory does not grow with the rows. Threads: those of
// the two connections; each should read one state of its file. Errors: SqliteError,
// RecordError.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "replicator/store/sqlite.h"

namespace colony {

struct TableDifference {
  std::string table;
  std::string definition;       // how it differs here; the rows were not compared then
  std::uint64_t missing = 0;    // rows of the other file that are not here
  std::uint64_t only_here = 0;  // rows that the other file lacks
  std::uint64_t changed = 0;    // under one key, with other values
};

// `customers (2 rows missing here, 1 only here, 5 different), visits (column city is gone)`
std::string to_string(const std::vector<TableDifference>& differences);

// True if no replicated table has a row.
bool has_no_rows(Database& db);

// Tables whose definition is not the other file's, and those that this file does not
// replicate. `may_have_more`: columns added at the end, with constant defaults, are no
// difference.
std::vector<TableDifference> compare_definitions(Database& mine, Database& other, bool may_have_more);

// The rows of the tables that `other` replicates, and of those that only `mine` does.
// `go_on` is asked now and then, and may throw.
std::vector<TableDifference> compare_rows(Database& mine, Database& other, const std::function<void()>& go_on);

}  // namespace colony
