#include "sqlite_ext/captured_table.h"

#include <algorithm>
#include <memory>
#include <new>

#include "sqlite_ext/statement_handle.h"

namespace colony {
namespace {

StatementHandle prepare(sqlite3* db, const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr);
  return StatementHandle(statement);
}

std::string text_column(sqlite3_stmt* statement, int column) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
  return text == nullptr ? std::string() : std::string(text);
}

// The values of PRAGMA table_xinfo's column `hidden`.
constexpr int kOrdinary = 0;
constexpr int kVirtualGenerated = 2;

// The index of the primary key; empty if that is an alias of the rowid, which needs none.
std::string key_index(sqlite3* db, const std::string& schema, const std::string& name) {
  const StatementHandle indexes = prepare(db, "PRAGMA " + quoted(schema) + ".index_list(" + quoted(name) + ")");
  while (indexes && sqlite3_step(indexes.get()) == SQLITE_ROW) {
    if (text_column(indexes.get(), 3) == "pk") return text_column(indexes.get(), 1);
  }
  return "";
}

// An index ends with the rowid, in tables that have one.
bool is_without_rowid(sqlite3* db, const std::string& schema, const std::string& key_index) {
  if (key_index.empty()) return false;
  const StatementHandle columns = prepare(db, "PRAGMA " + quoted(schema) + ".index_xinfo(" + quoted(key_index) + ")");
  bool has_rowid = false;
  while (columns && sqlite3_step(columns.get()) == SQLITE_ROW) has_rowid |= sqlite3_column_int(columns.get(), 1) == -1;
  return !has_rowid;
}

}  // namespace

Value value_of(sqlite3_value* value) {
  if (value == nullptr) return Value::null();
  switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
      return Value::of_integer(sqlite3_value_int64(value));
    case SQLITE_FLOAT:
      return Value::of_real(sqlite3_value_double(value));
    case SQLITE_TEXT: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));
      if (text == nullptr) throw std::bad_alloc();
      return Value::of_text({text, static_cast<std::size_t>(sqlite3_value_bytes(value))});
    }
    case SQLITE_BLOB: {
      const auto* blob = static_cast<const char*>(sqlite3_value_blob(value));
      return Value::of_blob({blob, static_cast<std::size_t>(sqlite3_value_bytes(value))});
    }
    default:
      return Value::null();
  }
}

std::size_t CapturedTable::key_columns() const {
  return static_cast<std::size_t>(
      std::count_if(header.key.begin(), header.key.end(), [](auto place) { return place; }));
}

std::uint64_t table_shape(const std::vector<std::string>& columns, std::size_t count) {
  std::uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  for (std::size_t i = 0; i < count; ++i) {
    for (const char* c = columns[i].c_str();; ++c) {
      hash = (hash ^ static_cast<unsigned char>(*c)) * 0x100000001b3u;
      if (*c == '\0') break;
    }
  }
  return hash;
}

std::uint64_t combine_shapes(std::uint64_t a, std::uint64_t b) { return (a ^ b) * 0x100000001b3u; }

bool has_real_affinity(const std::string& declared_type) {
  std::string type = declared_type;
  std::transform(type.begin(), type.end(), type.begin(), [](unsigned char c) { return std::toupper(c); });
  const auto has = [&](const char* word) { return type.find(word) != std::string::npos; };
  if (has("INT") || has("CHAR") || has("CLOB") || has("TEXT") || has("BLOB")) return false;
  return has("REAL") || has("FLOA") || has("DOUB");
}

std::string quoted(const std::string& name) {
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

std::string encoded_default(const std::string& declared_type, const std::string& default_sql) {
  std::string encoded;
  sqlite3* const scratch = default_sql.empty() ? nullptr : SqliteHost::open_scratch();
  // An expression needs its parentheses, and a word in quotes must not have them.
  for (const std::string& definition : {default_sql, "(" + default_sql + ")"}) {
    const std::string table = "CREATE TABLE t(c " + declared_type + " DEFAULT " + definition + ")";
    if (scratch == nullptr || !encoded.empty()) break;
    if (sqlite3_exec(scratch, table.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) continue;
    sqlite3_exec(scratch, "INSERT INTO t DEFAULT VALUES", nullptr, nullptr, nullptr);
    const StatementHandle row = prepare(scratch, "SELECT c FROM t");
    if (row && sqlite3_step(row.get()) == SQLITE_ROW)
      append_value(encoded, value_of(sqlite3_column_value(row.get(), 0)));
  }
  sqlite3_close(scratch);
  if (encoded.empty()) append_value(encoded, Value::null());
  return encoded;
}

std::optional<CapturedTable> load_captured_table(sqlite3* db, const std::string& schema, const std::string& name) {
  const StatementHandle info = prepare(db, "PRAGMA " + quoted(schema) + ".table_xinfo(" + quoted(name) + ")");
  if (!info) return std::nullopt;
  CapturedTable table;
  table.header.name = name;
  std::vector<std::string> names;
  std::vector<bool> reals;  // of all columns
  int index = 0, stored = 0;
  bool key_displaced = false;
  while (sqlite3_step(info.get()) == SQLITE_ROW) {
    const int hidden = sqlite3_column_int(info.get(), 6);
    reals.push_back(has_real_affinity(text_column(info.get(), 2)));
    if (hidden == kOrdinary) {
      CapturedColumn column;
      column.name = text_column(info.get(), 1);
      column.declared_index = index;
      column.stored_index = stored;
      column.type = text_column(info.get(), 2);
      column.default_sql = text_column(info.get(), 4);
      column.real = reals.back();
      column.has_default = sqlite3_column_type(info.get(), 4) != SQLITE_NULL;
      key_displaced |= sqlite3_column_int(info.get(), 5) != 0 && index != stored;
      names.push_back(column.name);
      table.columns.push_back(std::move(column));
      table.header.key.push_back(static_cast<std::uint8_t>(sqlite3_column_int(info.get(), 5)));
    }
    ++index;
    if (hidden != kVirtualGenerated) ++stored;
  }
  if (table.key_columns() == 0) return std::nullopt;
  for (CapturedColumn& column : table.columns) {
    column.shown_as_real = !column.real && reals[static_cast<std::size_t>(column.stored_index)];
  }
  table.shape = table_shape(names, names.size());
  const std::string key = key_index(db, schema, name);
  table.without_rowid = is_without_rowid(db, schema, key);
  if (!table.without_rowid && key.empty()) {
    const auto column = std::find(table.header.key.begin(), table.header.key.end(), 1);
    table.rowid_column = static_cast<std::size_t>(column - table.header.key.begin());
  }
  table.rowid_key_displaced = key_displaced && table.rowid_column;
  return table;
}

}  // namespace colony
