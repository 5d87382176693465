// The guard index of a replicated table: an index that holds nothing, over a function
// that only programs of Colony's know. A connection without colony.so can therefore not
// prepare a statement that writes the table, whether its triggers fire or not, nor open a
// column for incremental writing; the name of the function, which SQLite's error quotes,
// says what to do. Reading needs no function.
//
//   CREATE INDEX "__colony_guard_t" ON "t"(f()) WHERE CASE WHEN f() THEN coalesce("a", "b", NULL) END
//
// It names every stored column, so that no UPDATE passes it by. What SQLite does not ask
// it about: DELETE without WHERE where triggers are off. What it also refuses without the
// function: VACUUM, REINDEX, PRAGMA integrity_check, and loading what .dump has written.
//
// Threads: those of the connection. Errors: RecordError.
#pragma once

#include <string>

#include "sqlite_ext/sqlite_host.h"

namespace colony {

inline constexpr const char* kGuardFunction = "this_connection_must_load_colony_so";
inline constexpr const char* kGuardIndexPrefix = "__colony_guard_";

std::string guard_index_name(const std::string& table);

// What sqlite_schema has of it when it names all columns; empty if there is no such table.
std::string guard_index_sql(sqlite3* db, const std::string& schema, const std::string& table);

// Makes the connection one that may write guarded tables. Nothing is captured by that:
// for Colony's own connections. Returns an SQLite result code.
int allow_guarded_writes(sqlite3* db);

// Whether the guard index of `schema`.`table` is there and names all of its columns.
bool has_guard_index(sqlite3* db, const std::string& schema, const std::string& table);

// Makes it, or changes it where has_guard_index() is not satisfied: in a time that does not
// depend on how many rows there are, once it is there. Other connections notice when the
// schema's version changes, which is the caller's to do. Gives whether there was anything to
// do. Within a transaction, or the table is without it for a moment.
bool refresh_guard_index(sqlite3* db, const SqliteHost& host, const std::string& schema, const std::string& table);

// The same within a commit, where SQLite drops no index and a renamed table still has the one of
// its former name: that may have a wrong name until settle_guard_index_names().
void place_guard_index(sqlite3* db, const SqliteHost& host, const std::string& schema, const std::string& table);

// Gives each guard index the name of its table. Call it last: the connection reads the schema
// anew before its next statement, and others do as for any change.
void settle_guard_index_names(sqlite3* db, const SqliteHost& host, const std::string& schema);

// The column is about to be dropped, which SQLite refuses while an index names it: the index
// names it no longer, without being touched itself. Within the transaction that drops it, and
// while the statement runs that does.
void leave_out_of_guard_index(sqlite3* db, const SqliteHost& host, const std::string& schema, const std::string& table,
                              const std::string& column);

void drop_guard_index(sqlite3* db, const std::string& schema, const std::string& table);

}  // namespace colony
