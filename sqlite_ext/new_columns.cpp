#include "sqlite_ext/new_columns.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/recorder.h"
#include "sqlite_ext/sql_tokens.h"
#include "sqlite_ext/statement_handle.h"
#include "sqlite_ext/table_definition.h"

namespace colony {
namespace {

StatementHandle prepare(sqlite3* db, const std::string& sql) {
  return prepared(db, sql, "cannot read a table that was made anew");
}

std::string encoded(const Value& value) {
  std::string bytes;
  append_value(bytes, value);
  return bytes;
}

// The value that all rows have; nothing if they have several, or there are none.
std::optional<std::string> value_of_all(sqlite3* db, const std::string& table, const std::string& column) {
  const StatementHandle first = prepare(db, "SELECT " + column + " FROM " + table + " LIMIT 1");
  if (sqlite3_step(first.get()) != SQLITE_ROW) return std::nullopt;
  const StatementHandle others = prepare(
      db, "SELECT 1 FROM " + table + " WHERE " + column + " IS NOT ?1 OR typeof(" + column + ") <> typeof(?1) LIMIT 1");
  sqlite3_bind_value(others.get(), 1, sqlite3_column_value(first.get(), 0));
  if (sqlite3_step(others.get()) == SQLITE_ROW) return std::nullopt;
  return encoded(value_of(sqlite3_column_value(first.get(), 0)));
}

// By the affinity of its type (sqlite.org/datatype3.html, 3.1).
std::string nothing_of(const std::string& declared_type) {
  std::string type = declared_type;
  std::transform(type.begin(), type.end(), type.begin(), [](unsigned char c) { return std::toupper(c); });
  const auto has = [&](const char* word) { return type.find(word) != std::string::npos; };
  if (has("INT")) return encoded(Value::of_integer(0));
  if (has("CHAR") || has("CLOB") || has("TEXT")) return encoded(Value::of_text(""));
  if (type.empty() || has("BLOB")) return encoded(Value::of_blob(""));
  return has_real_affinity(type) ? encoded(Value::of_real(0)) : encoded(Value::of_integer(0));
}

}  // namespace

std::string value_for_null(const std::string& type, const std::string& default_sql) {
  const bool has_default = !default_sql.empty() && is_constant_default(default_sql) && default_sql != "NULL";
  return has_default ? encoded_default(type, default_sql) : nothing_of(type);
}

std::vector<std::pair<std::string, std::string>> new_column_values(sqlite3* db, const std::string& schema,
                                                                   const std::string& table,
                                                                   const std::vector<std::string>& former) {
  std::vector<std::pair<std::string, std::string>> values;
  const std::string name = quoted(schema) + "." + quoted(table);
  const StatementHandle info = prepare(db, "PRAGMA " + quoted(schema) + ".table_xinfo(" + quoted(table) + ")");
  const auto text = [&](int column) {
    const auto* value = reinterpret_cast<const char*>(sqlite3_column_text(info.get(), column));
    return value == nullptr ? std::string() : std::string(value);
  };
  while (sqlite3_step(info.get()) == SQLITE_ROW) {
    if (sqlite3_column_int(info.get(), 6) != 0) continue;  // generated
    const std::string column = text(1), type = text(2), default_sql = text(4);
    const bool is_known = std::any_of(former.begin(), former.end(), [&](const std::string& known) {
      return folded_name(known) == folded_name(column);
    });
    if (is_known) continue;
    std::optional<std::string> value = value_of_all(db, name, quoted(column));
    if (!value && !default_sql.empty() && is_constant_default(default_sql)) value = encoded_default(type, default_sql);
    if (!value && sqlite3_column_int(info.get(), 3) != 0) value = value_for_null(type, default_sql);
    values.emplace_back(column, value.value_or(encoded(Value::null())));
  }
  return values;
}

std::map<std::string, std::string> values_for_null(sqlite3* db, const std::string& schema, const std::string& table) {
  std::map<std::string, std::string> values;
  const StatementHandle info = prepare(db, "PRAGMA " + quoted(schema) + ".table_xinfo(" + quoted(table) + ")");
  const auto text = [&](int column) {
    const auto* value = reinterpret_cast<const char*>(sqlite3_column_text(info.get(), column));
    return value == nullptr ? std::string() : std::string(value);
  };
  while (sqlite3_step(info.get()) == SQLITE_ROW) {
    if (sqlite3_column_int(info.get(), 3) != 0) values[text(1)] = value_for_null(text(2), text(4));
  }
  return values;
}

}  // namespace colony
