// Foreign keys as they stand in a file. The fold does not enforce them, so that a
// concurrent delete can leave orphans; and a program that does not either may declare what
// SQLite calls a mismatch: a parent that is no table, or no unique key of one.
//
// Threads: those of the connection. Errors: SqliteError.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "replicator/store/sqlite.h"

namespace colony {

// How many rows violate a foreign key. Of one that has no proper parent nothing is counted,
// except where its parent table is missing: then every row violates it.
std::uint64_t count_foreign_key_violations(Database& db);

// What has no proper parent, or one that is not replicated as the child is; one line each:
// "c(au) refers to p(u), which is not unique".
std::vector<std::string> doubtful_foreign_keys(Database& db);

}  // namespace colony
