#include "sqlite_ext/guard_triggers.h"

#include <memory>

#include "sqlite_ext/capture.h"
#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/recorder.h"
#include "sqlite_ext/statement_handle.h"

namespace colony {
namespace {

struct Guard {
  const char* verb;
  const char* event;
};
constexpr Guard kGuards[kGuardTriggers] = {{"insert", "INSERT"}, {"update", "UPDATE"}, {"delete", "DELETE"}};

constexpr const char* kCannotMake = "cannot make a table's triggers";

std::string guard_name(const Guard& guard, std::string_view table) {
  return std::string("__colony_") + guard.verb + "_" + std::string(table);
}

void execute(sqlite3* db, const std::string& sql) {
  if (sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) throw_record_error(db, kCannotMake);
}

// `new."a" IS NULL OR ...` over the columns of the key that may hold NULL;
// empty when none may.
std::string null_key_condition(sqlite3* db, const std::string& schema, const std::string& table) {
  const std::string sql =
      "SELECT name FROM pragma_table_info(?1, ?2) WHERE pk > 0 AND NOT \"notnull\" AND NOT ("
      // INTEGER PRIMARY KEY has no index
      "(SELECT count(*) FROM pragma_table_info(?1, ?2) WHERE pk > 0) = 1 AND "
      "NOT EXISTS(SELECT 1 FROM pragma_index_list(?1, ?2) WHERE origin = 'pk'))";
  sqlite3_stmt* prepared = nullptr;
  if (sqlite3_prepare_v2(db, sql.c_str(), -1, &prepared, nullptr) != SQLITE_OK) throw_record_error(db, kCannotMake);
  const StatementHandle names(prepared);
  sqlite3_bind_text(prepared, 1, table.c_str(), -1, SQLITE_STATIC);
  sqlite3_bind_text(prepared, 2, schema.c_str(), -1, SQLITE_STATIC);
  std::string condition;
  while (sqlite3_step(prepared) == SQLITE_ROW) {
    const std::string name = reinterpret_cast<const char*>(sqlite3_column_text(prepared, 0));
    condition += (condition.empty() ? "new." : " OR new.") + quoted(name) + " IS NULL";
  }
  return condition;
}

std::string sql_string(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += '\'';
    out += c;
  }
  return out + "'";
}

}  // namespace

bool is_guard_trigger(std::string_view name, std::string_view table) {
  for (const Guard& guard : kGuards) {
    if (name == guard_name(guard, table)) return true;
  }
  return false;
}

void create_guard_triggers(sqlite3* db, const std::string& schema, const std::string& table) {
  drop_guard_triggers(db, schema, table);
  const std::string null_key = null_key_condition(db, schema, table);
  for (const Guard& guard : kGuards) {
    const bool refuses_null = !null_key.empty() && guard.event != std::string_view("DELETE");
    execute(db,
            "CREATE TRIGGER " + quoted(schema) + "." + quoted(guard_name(guard, table)) + " AFTER " + guard.event +
                " ON " + quoted(table) + " WHEN " + (refuses_null ? null_key : "0") + " BEGIN " +
                (refuses_null
                     ? "SELECT RAISE(ABORT, " +
                           sql_string("colony: NULL in the primary key of " + table + " cannot be replicated") + "); "
                     : "") +
                "INSERT INTO " + kCaptureTable + " VALUES(1); END");
  }
}

void drop_guard_triggers(sqlite3* db, const std::string& schema, const std::string& table) {
  for (const Guard& guard : kGuards) {
    execute(db, "DROP TRIGGER IF EXISTS " + quoted(schema) + "." + quoted(guard_name(guard, table)));
  }
}

}  // namespace colony
