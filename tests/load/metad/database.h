// The database as a program on Colony uses it: the library's connection and statements,
// opened as a program's own.
//
// This is all that a program needs to write on Colony: open the file, load the
// extension on each connection that writes, wait for locks, begin with IMMEDIATE.
//
// Threads: a Database and its Statements belong to one thread at a time.
#pragma once

#include <string>

#include "replicator/store/sqlite.h"

namespace metad {

using colony::Database;
using colony::ResetAtEnd;
using colony::SqliteError;
using colony::Statement;

// Never makes a file. `lock_wait_ms` is the longest wait for somebody else's lock; it is
// looked for every millisecond. (SQLite's own busy timeout sleeps for up to 100 ms at a
// time, far longer than a sidecar holds the lock.) Throws SqliteError.
Database open_database(const std::string& path, Database::Mode mode, int lock_wait_ms);

// Loads colony.so, after which this connection's commits are captured. Throws
// std::runtime_error: a program that was to write with it must not write without.
void load_extension(Database& db, const std::string& path);

// How many rows the latest statement has changed.
int changes(const Database& db);

}  // namespace metad
