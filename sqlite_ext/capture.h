// Capture: each transaction that changes a replicated table leaves its net
// changeset in the outbox of the same file, in the same transaction.
//
// How it hangs together:
//  - `colony init` puts three triggers on each replicated table whose bodies
//    insert into the virtual table __colony_capture but never run. Compiling
//    them makes SQLite enlist the virtual table in the transaction; a connection
//    that does not know the module cannot compile them, and so cannot write.
//    A guard index (guard_index.h) does the same where triggers are off.
//  - The preupdate hook shows every row change to a Recorder, and enlists the
//    virtual table where that has not been done.
//  - A trace callback sees the schema change before it does, and has the virtual
//    table enlisted for that, too.
//  - xSync, which SQLite calls just before the transaction commits, writes the
//    recording into __colony_outbox, and refuses changes of the schema that would
//    make the nodes differ. xSavepoint and its relatives keep the recording in
//    step with what is rolled back.
//
// All that is of files in session mode. One in wal mode has neither triggers nor the virtual
// table, and the sidecar reads its write-ahead log (file_layout.h): of such a file nothing is
// captured here and nothing refused, also of one that comes from one mode to the other while
// the connection is open.
//
// One Capture belongs to one connection, and lives until it is closed; SQLite
// calls it under that connection's mutex. A failure to record or to write
// refuses the commit, with a message: nothing is ever left out of the outbox.
#pragma once

#include <optional>

#include "sqlite_ext/spill.h"
#include "sqlite_ext/sqlite_host.h"

namespace colony {

// The module, and the table made of it. A connection without colony.so that writes is
// refused with "no such module: " and this name: it must tell what to do. Files of
// formats before 4 use the former name, until `colony init` is run again.
inline constexpr const char* kCaptureModule = "Colony (load the extension colony.so on this connection)";
inline constexpr const char* kFormerCaptureModule = "colony_capture";
inline constexpr const char* kCaptureTable = "__colony_capture";

// An outbox row holds at most this much of a transaction's changeset, so that it
// fits into a message of a broker with a max_payload of 64 KiB.
inline constexpr int kOutboxChunkBytesMax = 60'000;

// The column `last` of an outbox row.
inline constexpr int kMoreChunks = 0;  // of the same transaction come
inline constexpr int kLastChunk = 1;
inline constexpr int kLastChunkFlushed = 2;  // of one whose commit flushes the write-ahead log (synchronous=FULL)

// Whose connection it is. Colony's own programs need the module to compile the triggers;
// what they write where triggers are off is not captured, and they may change the schema
// in ways that would make nodes differ, as operators may on theirs after
// colony_allow_schema_changes().
enum class CaptureFor { kProgram, kColony };

// Makes the connection capture, and gives it the SQL functions colony_node(),
// colony_pending() and colony_allow_schema_changes(). What is recorded spills beside
// each database, or as `spill` says. Returns an SQLite result code.
int install_capture(sqlite3* db, const SqliteHost& host, const std::optional<SpillSettings>& spill = std::nullopt,
                    CaptureFor whom = CaptureFor::kProgram);

// Whether it has been installed on this connection.
bool has_capture(sqlite3* db);

}  // namespace colony
