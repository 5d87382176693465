// The schema of a file in wal mode as of its mark (`wal_mark`): what programs have changed of it
// since is told by comparing. In __colony_schema, one row for each object, and this node's alone:
// objects of a table that is not replicated count too.
//
// Whoever writes the mark notes the schema within the same transaction. Threads: the
// connection's. Errors: SqliteError.
#pragma once

#include <optional>

#include "replicator/store/sqlite.h"
#include "sqlite_ext/schema_difference.h"

namespace colony {

// What people's programs have made: neither Colony's own objects nor those that stand behind
// others.
SchemaObjects schema_objects(Database& db);

// In the caller's write transaction. Costs nothing to speak of unless the schema has changed.
void note_schema(Database& db);

// Nothing if it was never noted.
std::optional<SchemaObjects> noted_schema(Database& db);

}  // namespace colony
