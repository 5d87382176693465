#include "sqlite_ext/guard_index.h"

#include <vector>

#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/recorder.h"

namespace colony {
namespace {

// A function takes 127 arguments at most unless SQLite was built otherwise.
constexpr std::size_t kArgumentsMax = 100;
constexpr const char* kCannotRead = "cannot read the schema";

void execute(sqlite3* db, const std::string& sql, const char* what) {
  if (sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) throw_record_error(db, what);
}

std::string coalesced(std::vector<std::string> terms) {
  while (terms.size() > kArgumentsMax) {
    std::vector<std::string> outer;
    for (std::size_t i = 0; i < terms.size(); i += kArgumentsMax) {
      const auto first = terms.begin() + static_cast<std::ptrdiff_t>(i);
      const std::size_t count = std::min(kArgumentsMax, terms.size() - i);
      outer.push_back(coalesced({first, first + static_cast<std::ptrdiff_t>(count)}));
    }
    terms.swap(outer);
  }
  std::string sql = "coalesce(";
  for (const std::string& term : terms) sql += term + ", ";
  return sql + "NULL)";
}

// All that comes after CREATE INDEX, as SQLite keeps it; empty if there is no such table.
std::string index_definition(sqlite3* db, const std::string& schema, const std::string& table) {
  const std::optional<CapturedTable> layout = load_captured_table(db, schema, table);
  if (!layout) return "";
  std::vector<std::string> names;
  for (const CapturedColumn& column : layout->columns) names.push_back(quoted(column.name));
  const std::string call = std::string(kGuardFunction) + "()";
  return quoted(guard_index_name(table)) + " ON " + quoted(table) + "(" + call + ") WHERE CASE WHEN " + call +
         " THEN " + coalesced(std::move(names)) + " END";
}

// Of a table that has no such index, sqlite_schema need not be read.
bool is_there(sqlite3* db, const std::string& schema, const std::string& table) {
  const std::string name = guard_index_name(table);
  const std::string sql = "PRAGMA " + quoted(schema) + ".index_list(" + quoted(table) + ")";
  sqlite3_stmt* list = nullptr;
  if (sqlite3_prepare_v2(db, sql.c_str(), -1, &list, nullptr) != SQLITE_OK) throw_record_error(db, kCannotRead);
  bool found = false;
  while (sqlite3_step(list) == SQLITE_ROW) {
    found |= name == reinterpret_cast<const char*>(sqlite3_column_text(list, 1));
  }
  if (sqlite3_finalize(list) != SQLITE_OK) throw_record_error(db, kCannotRead);
  return found;
}

// As sqlite_schema has it; empty if there is none.
std::string present_sql(sqlite3* db, const std::string& schema, const std::string& table) {
  if (!is_there(db, schema, table)) return "";
  const std::string sql =
      "SELECT sql FROM " + quoted(schema) + ".sqlite_schema WHERE type = 'index' AND name = ?1 AND tbl_name = ?2";
  sqlite3_stmt* select = nullptr;
  if (sqlite3_prepare_v2(db, sql.c_str(), -1, &select, nullptr) != SQLITE_OK) throw_record_error(db, kCannotRead);
  sqlite3_bind_text(select, 1, guard_index_name(table).c_str(), -1, SQLITE_TRANSIENT);
  sqlite3_bind_text(select, 2, table.c_str(), -1, SQLITE_STATIC);
  std::string found;
  if (sqlite3_step(select) == SQLITE_ROW) {
    if (const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(select, 0))) found = text;
  }
  if (sqlite3_finalize(select) != SQLITE_OK) throw_record_error(db, kCannotRead);
  return found;
}

}  // namespace

std::string guard_index_name(const std::string& table) { return kGuardIndexPrefix + table; }

std::string guard_index_sql(sqlite3* db, const std::string& schema, const std::string& table) {
  const std::string definition = index_definition(db, schema, table);
  return definition.empty() ? "" : "CREATE INDEX " + definition;
}

int allow_guarded_writes(sqlite3* db) {
  constexpr int kFlags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
  return sqlite3_create_function(
      db, kGuardFunction, 0, kFlags, nullptr,
      [](sqlite3_context* context, int, sqlite3_value**) { sqlite3_result_int(context, 0); }, nullptr, nullptr);
}

bool has_guard_index(sqlite3* db, const std::string& schema, const std::string& table) {
  const std::string definition = index_definition(db, schema, table);
  return !definition.empty() && present_sql(db, schema, table) == "CREATE INDEX " + definition;
}

bool refresh_guard_index(sqlite3* db, const std::string& schema, const std::string& table) {
  const std::string definition = index_definition(db, schema, table);
  if (definition.empty() || present_sql(db, schema, table) == "CREATE INDEX " + definition) return false;
  drop_guard_index(db, schema, table);
  execute(db, "CREATE INDEX " + quoted(schema) + "." + definition, "cannot make a guard index");
  return true;
}

void drop_guard_index(sqlite3* db, const std::string& schema, const std::string& table) {
  execute(db, "DROP INDEX IF EXISTS " + quoted(schema) + "." + quoted(guard_index_name(table)),
          "cannot drop a guard index");
}

}  // namespace colony
