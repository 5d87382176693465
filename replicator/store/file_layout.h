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

inline constexpr int kFileFormat = 5;
inline constexpr const char* kOwnPrefix = "__colony_";

bool is_own_name(std::string_view name);

// True if the file has Colony's tables.
bool has_layout(Database& db);

// Makes Colony's tables where they are missing.
void create_layout(Database& db);

// Brings a file of an older format up to this one, in a transaction of its own;
// does nothing to a file of this format or a newer one, which NodeFile refuses.
void upgrade_layout(Database& db);

// Drops everything that create_layout() and create_guards() made.
void drop_layout(Database& db);

// What keeps a connection without colony.so from writing the replicated tables. A file's
// choice is kept in its meta record `guard`.
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
// could tell such rows apart.
void create_guards(Database& db, const std::string& table);

void drop_guards(Database& db, const std::string& table);

// Whether all of them are there. A guard index that lacks columns, which were added
// later, counts: refresh_guards() mends it.
bool has_guards(Database& db, const std::string& table);

// The tables that have all of their guards.
std::set<std::string> guarded_tables(Database& db);

// Brings the guard index in line with the columns of the table and the file's choice,
// which reads the whole table if anything has to be done. Gives whether there was. Within
// a transaction of the caller's.
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
