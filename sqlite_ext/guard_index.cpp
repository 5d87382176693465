#include "sqlite_ext/guard_index.h"

#include <algorithm>
#include <string_view>
#include <utility>
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
std::string index_definition(sqlite3* db, const std::string& schema, const std::string& table,
                             const std::string& without = {}) {
  const std::optional<CapturedTable> layout = load_captured_table(db, schema, table);
  if (!layout) return "";
  std::vector<std::string> names;
  for (const CapturedColumn& column : layout->columns) {
    if (sqlite3_stricmp(column.name.c_str(), without.c_str()) != 0) names.push_back(quoted(column.name));
  }
  const std::string call = std::string(kGuardFunction) + "()";
  return quoted(guard_index_name(table)) + " ON " + quoted(table) + "(" + call + ") WHERE CASE WHEN " + call +
         " THEN " + coalesced(std::move(names)) + " END";
}

// The names of a table's guard indexes. Of a table that has none, sqlite_schema need not be read.
std::vector<std::string> names_of(sqlite3* db, const std::string& schema, const std::string& table) {
  const std::string sql = "PRAGMA " + quoted(schema) + ".index_list(" + quoted(table) + ")";
  sqlite3_stmt* list = nullptr;
  if (sqlite3_prepare_v2(db, sql.c_str(), -1, &list, nullptr) != SQLITE_OK) throw_record_error(db, kCannotRead);
  std::vector<std::string> names;
  while (sqlite3_step(list) == SQLITE_ROW) {
    names.emplace_back(reinterpret_cast<const char*>(sqlite3_column_text(list, 1)));
  }
  if (sqlite3_finalize(list) != SQLITE_OK) throw_record_error(db, kCannotRead);
  std::erase_if(names, [](const std::string& name) { return !name.starts_with(kGuardIndexPrefix); });
  return names;
}

bool is_there(sqlite3* db, const std::string& schema, const std::string& table) {
  const std::vector<std::string> names = names_of(db, schema, table);
  return std::find(names.begin(), names.end(), guard_index_name(table)) != names.end();
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

// It holds nothing, so that its text alone says what it is. `name` is what it is called so far.
// False if the host does not allow it.
bool set_text(sqlite3* db, const SqliteHost& host, const std::string& schema, const std::string& table,
              const std::string& name, const std::string& text) {
  const SchemaIsWritable writable(db, host);
  if (!writable) return false;
  const std::string sql =
      "UPDATE " + quoted(schema) + ".sqlite_schema SET sql = ?1, name = ?2 WHERE type = 'index' AND name = ?3";
  sqlite3_stmt* update = nullptr;
  int rc = sqlite3_prepare_v2(db, sql.c_str(), -1, &update, nullptr);
  if (rc == SQLITE_OK) {
    sqlite3_bind_text(update, 1, text.c_str(), -1, SQLITE_STATIC);
    sqlite3_bind_text(update, 2, guard_index_name(table).c_str(), -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(update, 3, name.c_str(), -1, SQLITE_STATIC);
    sqlite3_step(update);
    rc = sqlite3_finalize(update);
  }
  if (rc != SQLITE_OK) throw_record_error(db, "cannot change a guard index");
  return true;
}

bool is_taken(sqlite3* db, const std::string& schema, const std::string& name) {
  sqlite3_stmt* select = nullptr;
  const std::string sql = "SELECT 1 FROM " + quoted(schema) + ".sqlite_schema WHERE name = ?1";
  if (sqlite3_prepare_v2(db, sql.c_str(), -1, &select, nullptr) != SQLITE_OK) throw_record_error(db, kCannotRead);
  sqlite3_bind_text(select, 1, name.c_str(), -1, SQLITE_STATIC);
  const bool is = sqlite3_step(select) == SQLITE_ROW;
  if (sqlite3_finalize(select) != SQLITE_OK) throw_record_error(db, kCannotRead);
  return is;
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

bool refresh_guard_index(sqlite3* db, const SqliteHost& host, const std::string& schema, const std::string& table) {
  const std::string definition = index_definition(db, schema, table);
  if (definition.empty()) return false;
  const std::string present = present_sql(db, schema, table);
  if (present == "CREATE INDEX " + definition) return false;
  const std::string name = guard_index_name(table);
  if (!present.empty() && set_text(db, host, schema, table, name, "CREATE INDEX " + definition)) return true;
  drop_guard_index(db, schema, table);
  execute(db, "CREATE INDEX " + quoted(schema) + "." + definition, "cannot make a guard index");
  return true;
}

void place_guard_index(sqlite3* db, const SqliteHost& host, const std::string& schema, const std::string& table) {
  if (!host.config_bits || is_there(db, schema, table)) {
    refresh_guard_index(db, host, schema, table);
    return;
  }
  if (!names_of(db, schema, table).empty()) return;
  const std::string definition = index_definition(db, schema, table);
  if (definition.empty()) return;
  const std::string name = guard_index_name(table);
  std::string free = name;
  while (is_taken(db, schema, free)) free += "'";
  execute(db, "CREATE INDEX " + quoted(schema) + "." + quoted(free) + definition.substr(quoted(name).size()),
          "cannot make a guard index");
}

void settle_guard_index_names(sqlite3* db, const SqliteHost& host, const std::string& schema) {
  std::vector<std::pair<std::string, std::string>> misnamed;
  sqlite3_stmt* select = nullptr;
  const std::string indexes = "SELECT name, tbl_name FROM " + quoted(schema) +
                              ".sqlite_schema WHERE type = 'index' AND substr(name, 1, " +
                              std::to_string(std::string_view(kGuardIndexPrefix).size()) + ") = '" + kGuardIndexPrefix +
                              "' AND name <> '" + kGuardIndexPrefix + "' || tbl_name";
  if (sqlite3_prepare_v2(db, indexes.c_str(), -1, &select, nullptr) != SQLITE_OK) throw_record_error(db, kCannotRead);
  while (sqlite3_step(select) == SQLITE_ROW) {
    const auto text = [&](int column) { return reinterpret_cast<const char*>(sqlite3_column_text(select, column)); };
    misnamed.emplace_back(text(0), text(1));
  }
  if (sqlite3_finalize(select) != SQLITE_OK) throw_record_error(db, kCannotRead);
  bool any = false;
  for (const auto& [name, table] : misnamed) {
    if (is_there(db, schema, table)) continue;
    any |= set_text(db, host, schema, table, name, "CREATE INDEX " + index_definition(db, schema, table));
  }
  if (!any) return;
  const SchemaIsWritable writable(db, host);
  const std::string version = "PRAGMA " + quoted(schema) + ".schema_version";
  if (sqlite3_prepare_v2(db, version.c_str(), -1, &select, nullptr) != SQLITE_OK) throw_record_error(db, kCannotRead);
  sqlite3_step(select);
  const sqlite3_int64 present = sqlite3_column_int64(select, 0);
  if (sqlite3_finalize(select) != SQLITE_OK) throw_record_error(db, kCannotRead);
  execute(db, version + " = " + std::to_string(present + 1), "cannot change a guard index");
}

void leave_out_of_guard_index(sqlite3* db, const SqliteHost& host, const std::string& schema, const std::string& table,
                              const std::string& column) {
  const std::string text = "CREATE INDEX " + index_definition(db, schema, table, column);
  const std::string present = present_sql(db, schema, table);
  if (present.empty() || present == text) return;
  set_text(db, host, schema, table, guard_index_name(table), text);  // otherwise SQLite refuses to drop the column
}

void drop_guard_index(sqlite3* db, const std::string& schema, const std::string& table) {
  execute(db, "DROP INDEX IF EXISTS " + quoted(schema) + "." + quoted(guard_index_name(table)),
          "cannot drop a guard index");
}

}  // namespace colony
