// Takes back what SchemaFold has done to the schema, or a program on this node.
//
// In the caller's write transaction, on a connection of open_for_fold(). Errors: as
// schema_fold.h.
#pragma once

#include "replicator/store/sqlite.h"
#include "sqlite_ext/schema_change.h"

namespace colony {

// The latest change first. The rows must be again what they were right after it; destroyed
// rows are the caller's to put back.
void take_back_schema(Database& db, const SchemaChanges& done);

}  // namespace colony
