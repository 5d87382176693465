#include "sqlite_ext/captured_table.h"

#include <algorithm>
#include <memory>

namespace colony {
namespace {

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using StatementHandle = std::unique_ptr<sqlite3_stmt, Finalize>;

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

bool is_without_rowid(sqlite3* db, const std::string& schema, const std::string& name) {
  // Only a table with rowids answers to one of these names. A table whose own
  // columns take all three is declared differently enough: ask the schema.
  const StatementHandle list =
      prepare(db, "SELECT wr FROM pragma_table_list(?1) WHERE schema = ?2 COLLATE NOCASE AND name = ?1 COLLATE NOCASE");
  if (!list) return false;
  sqlite3_bind_text(list.get(), 1, name.c_str(), -1, SQLITE_STATIC);
  sqlite3_bind_text(list.get(), 2, schema.c_str(), -1, SQLITE_STATIC);
  return sqlite3_step(list.get()) == SQLITE_ROW && sqlite3_column_int(list.get(), 0) != 0;
}

// Whether the primary key is an alias of the rowid: it then needs no index.
bool has_rowid_key(sqlite3* db, const std::string& schema, const std::string& name) {
  const StatementHandle indexes = prepare(db, "PRAGMA " + quoted(schema) + ".index_list(" + quoted(name) + ")");
  while (indexes && sqlite3_step(indexes.get()) == SQLITE_ROW) {
    if (text_column(indexes.get(), 3) == "pk") return false;
  }
  return true;
}

}  // namespace

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
  table.without_rowid = is_without_rowid(db, schema, name);
  table.rowid_key_displaced = key_displaced && !table.without_rowid && has_rowid_key(db, schema, name);
  return table;
}

}  // namespace colony
