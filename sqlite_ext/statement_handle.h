// Prepared statements that finalize themselves, and values as their parameters.
#pragma once

#include <memory>
#include <string>

#include "sqlite_ext/changeset.h"
#include "sqlite_ext/sqlite_host.h"

namespace colony {

struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using StatementHandle = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

// Throws RecordError, whose text begins with `what` was to be done.
StatementHandle prepared(sqlite3* db, const std::string& sql, const char* what);

// The value must stay until the statement was stepped. One that is not defined is NULL.
void bind_value(sqlite3_stmt* statement, int index, const Value& value);

}  // namespace colony
