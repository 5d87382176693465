// What Colony keeps in the app's file: its tables and the triggers on the
// replicated ones. docs/formats.md says what each column means.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "replicator/store/sqlite.h"

namespace colony {

inline constexpr int kFileFormat = 6;
inline constexpr const char* kOwnPrefix = "__colony_";

bool is_own_name(std::string_view name);

// True if the file has Colony's tables.
bool has_layout(Database& db);

// How what programs commit comes into the outbox. A file's choice is kept in its meta record
// `capture`.
enum class CaptureMode {
  kSession,  // by colony.so, within the commit; guards keep writers without it away
  kWal,      // by the sidecar, from the write-ahead log; nothing guards, and any program writes
};

// "session" or "wal", as in the record and on the command line.
const char* to_string(CaptureMode mode);

// kSession of a file that has chosen nothing.
CaptureMode capture_mode(Database& db);

// Makes the choice, and all that hangs on it, in the caller's write transaction: in session
// mode the virtual table and the guards of the replicated tables that are there, where they are
// missing; in wal mode neither, and no mark in the log from before. What programs have
// committed until then must be in the outbox already: from wal to session see OwnTransaction.
// On a connection with the capture installed.
void set_capture_mode(Database& db, CaptureMode mode);

// Makes Colony's tables where they are missing. `mode` is that of a file that has chosen none.
// In session mode on a connection with the capture installed.
void create_layout(Database& db, CaptureMode mode = CaptureMode::kSession);

// Brings a file of an older format up to this one, in a transaction of its own;
// does nothing to a file of this format or a newer one, which NodeFile refuses.
void upgrade_layout(Database& db);

// Drops everything that create_layout() and create_guards() made. In session mode on a
// connection with the capture installed.
void drop_layout(Database& db);

// What keeps a connection without colony.so from writing the replicated tables in session
// mode. A file's choice is kept in its meta record `guard`, in wal mode for later.
enum class GuardKind {
  kTriggers,  // three triggers: those of an older file, whose programs may have an older colony.so
  kIndex,     // and an index, which also holds where triggers are off (sqlite_ext/guard_index.h)
};

// What the file has chosen; nothing if it never was asked, and then it has triggers.
std::optional<GuardKind> chosen_guard_kind(Database& db);
void choose_guard_kind(Database& db, GuardKind kind);

// The triggers that make SQLite enlist the capture, and refuse the writes of a
// connection without it, and the guard index if the file has chosen that. Makes them
// anew. Rows with a NULL in the key are refused in tables whose key allows it: nothing
// could tell such rows apart. Does nothing unless is_guarded().
void create_guards(Database& db, const std::string& table);

// Whether the replicated tables are to have guards: in session mode. Not in wal mode, and not
// in a snapshot that a node in wal mode has made: nobody's file, that has no mode.
bool is_guarded(Database& db);

void drop_guards(Database& db, const std::string& table);

// Whether all of them are there. A guard index that lacks columns, which were added
// later, counts: refresh_guards() mends it.
bool has_guards(Database& db, const std::string& table);

// The tables that have all of their guards; none unless is_guarded().
std::set<std::string> guarded_tables(Database& db);

// Brings the guard index in line with the columns of the table and the file's choice,
// which reads the whole table if anything has to be done. Gives whether there was. Within
// a transaction of the caller's. Does nothing unless is_guarded().
bool refresh_guards(Database& db, const std::string& table);

std::vector<std::string> replicated_tables(Database& db);

// Keeps the definition that a replicated table has now (table_definition.h) as the one
// that the colony's nodes agree on.
void agree_on_definition(Database& db, const std::string& table);
// Those of all of them, in a time that is proportional to their number.
void agree_on_definitions(Database& db);

// By table; empty where a file of an older format did not know.
std::map<std::string, std::string> agreed_definitions(Database& db);

// Tables whose rows may differ from the other nodes' and have not been compared yet, and why.
std::map<std::string, std::string> unchecked_tables(Database& db);

}  // namespace colony
