// A file's schema becomes that of a snapshot: part of a node's catching up after the log was
// cut, where others have changed the schema meanwhile.
//
// In the caller's write transaction on a connection of open_for_fold(), with nothing pending in
// the file. Errors: SqliteError; SchemaMismatch for what this SQLite cannot make.
#pragma once

#include "replicator/store/sqlite.h"

namespace colony {

// Whether the replicated tables of the two, and what hangs on them, are others.
bool has_other_schema(Database& db, Database& base);

// Tables that are others are made anew and are empty then; those that the snapshot does not have
// go. Tables that are not replicated stay, and so do their indexes and triggers, and views that the
// snapshot does not have.
void install_schema(Database& db, Database& base);

}  // namespace colony
