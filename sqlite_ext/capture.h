// Capture: each transaction that changes a replicated table leaves its net
// changeset in the outbox of the same file, in the same transaction.
//
// How it hangs together:
//  - `colony init` puts three triggers on each replicated table whose bodies
//    insert into the virtual table __colony_capture but never run. Compiling
//    them makes SQLite enlist the virtual table in the transaction; a connection
//    that does not know the module cannot compile them, and so cannot write.
//  - The preupdate hook shows every row change to a Recorder.
//  - xSync, which SQLite calls just before the transaction commits, writes the
//    recording into __colony_outbox. xSavepoint and its relatives keep the
//    recording in step with what is rolled back.
//
// One Capture belongs to one connection, and lives until it is closed; SQLite
// calls it under that connection's mutex. A failure to record or to write
// refuses the commit, with a message: nothing is ever left out of the outbox.
#pragma once

#include <optional>

#include "sqlite_ext/spill.h"
#include "sqlite_ext/sqlite_host.h"

namespace colony {

// The name of the module and of the table made of it.
inline constexpr const char* kCaptureModule = "colony_capture";
inline constexpr const char* kCaptureTable = "__colony_capture";

// An outbox row holds at most this much of a transaction's changeset, so that it
// fits into a message of a broker with a max_payload of 64 KiB.
inline constexpr int kOutboxPieceBytesMax = 60'000;

// The column `last` of an outbox row.
inline constexpr int kMorePieces = 0;  // of the same transaction come
inline constexpr int kLastPiece = 1;
inline constexpr int kLastPieceFlushed = 2;  // of one whose commit flushes the write-ahead log (synchronous=FULL)

// Makes the connection capture, and gives it the SQL functions colony_node() and
// colony_pending(). What is recorded spills beside each database, or as `spill`
// says. Returns an SQLite result code.
int install_capture(sqlite3* db, const SqliteHost& host, const std::optional<SpillSettings>& spill = std::nullopt);

}  // namespace colony
