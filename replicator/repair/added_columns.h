// Columns that were added at the end of a table in one file and not yet in another.
#pragma once

#include <string>

#include "replicator/store/sqlite.h"

namespace colony {

// Gives the replicated tables of the file at `path` the columns that those of `model`
// have beyond theirs, with the same defaults. A column that cannot be added so, because
// its default is not constant, is left out, as all after it are. Nobody else may have the
// file open. Errors: SqliteError.
void add_missing_columns(const std::string& path, Database& model);

}  // namespace colony
