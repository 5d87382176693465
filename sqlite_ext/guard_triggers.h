// The triggers by which writes to a replicated table come to be captured (capture.h says
// how), and by which rows with NULL in their key are refused:
//
//   CREATE TRIGGER "__colony_insert_t" AFTER INSERT ON "t" WHEN 0 BEGIN INSERT INTO __colony_capture VALUES(1); END
//
// and the same for UPDATE and DELETE. Threads: those of the connection. Errors: RecordError.
#pragma once

#include <string>
#include <string_view>

#include "sqlite_ext/sqlite_host.h"

namespace colony {

inline constexpr int kGuardTriggers = 3;  // of each table

// Whether that is the name of one of them.
bool is_guard_trigger(std::string_view name, std::string_view table);

// Makes them, in place of those that are there.
void create_guard_triggers(sqlite3* db, const std::string& schema, const std::string& table);

void drop_guard_triggers(sqlite3* db, const std::string& schema, const std::string& table);

}  // namespace colony
