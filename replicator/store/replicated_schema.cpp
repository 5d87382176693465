#include "replicator/store/replicated_schema.h"

#include <algorithm>
#include <cctype>
#include <functional>
#include <optional>
#include <set>

#include "replicator/store/file_layout.h"
#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/new_columns.h"
#include "sqlite_ext/sql_tokens.h"
#include "sqlite_ext/table_definition.h"

namespace colony {
namespace {

Collation collation_of(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
  if (name == "BINARY") return Collation::kBinary;
  if (name == "NOCASE") return Collation::kNoCase;
  if (name == "RTRIM") return Collation::kRightTrim;
  return Collation::kOther;
}

// One index of a table: its key columns as positions in `table`, opaque if one
// is an expression or not replicated.
UniqueIndex read_index(Database& db, const ReplicatedTable& table, const std::string& name, bool partial) {
  UniqueIndex index;
  index.name = name;
  index.opaque = partial;
  Statement info(db, "SELECT name, coll FROM pragma_index_xinfo(?1) WHERE key ORDER BY seqno");
  info.bind(1, name);
  while (info.step()) {
    const Collation collation = collation_of(std::string(info.text(1)));
    const auto column = std::find(table.columns.begin(), table.columns.end(), info.text(0));
    if (info.is_null(0) || column == table.columns.end() || collation == Collation::kOther) {
      index.opaque = true;
      continue;
    }
    index.columns.push_back(static_cast<std::size_t>(column - table.columns.begin()));
    index.collations.push_back(collation);
  }
  return index;
}

WithoutValue without_value(bool not_null, const std::optional<std::string>& default_sql) {
  if (default_sql && is_constant_default(*default_sql)) return WithoutValue::kDefault;
  if (not_null) return WithoutValue::kNothing;
  return default_sql ? WithoutValue::kNull : WithoutValue::kDefault;
}

}  // namespace

const char* collation_name(Collation collation) {
  switch (collation) {
    case Collation::kNoCase:
      return "NOCASE";
    case Collation::kRightTrim:
      return "RTRIM";
    default:
      return "BINARY";
  }
}

std::string ReplicatedTable::value_without(std::size_t column) const {
  if (!fills[column].empty()) return fills[column];
  if (without_value[column] == WithoutValue::kDefault) return encoded_default(types[column], defaults[column]);
  if (!instead_of_null[column].empty()) return instead_of_null[column];
  std::string none;
  append_value(none, Value::null());
  return none;
}

bool ReplicatedTable::key_allows_null() const {
  for (std::size_t i = 0; !rowid_key && i < columns.size(); ++i) {
    if (key[i] != 0 && instead_of_null[i].empty()) return true;
  }
  return false;
}

std::string ReplicatedTable::key_is_whole() const {
  std::string condition;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (key[i] != 0) condition += (condition.empty() ? "+" : " AND +") + quoted(columns[i]) + " NOT NULL";
  }
  return condition;
}

std::uint64_t ReplicatedTable::shape(std::size_t count) const { return table_shape(columns, count); }

namespace {

bool is_key_as_declared(Database& db, const ReplicatedTable& table) {
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    if (table.key[i] == 0) continue;
    const char* declared = nullptr;
    sqlite3_table_column_metadata(db.handle(), "main", table.name.c_str(), table.columns[i].c_str(), nullptr, &declared,
                                  nullptr, nullptr, nullptr);
    if (declared == nullptr || sqlite3_stricmp(declared, collation_name(table.key_collations[i])) != 0) return false;
  }
  return true;
}

}  // namespace

namespace {

// A table option, after the columns.
bool is_strict(const std::string& create_table) {
  const std::vector<SqlToken> tokens = sql_tokens(create_table);
  for (auto token = tokens.rbegin(); token != tokens.rend() && !token->is(')'); ++token) {
    if (token->is("STRICT")) return true;
  }
  return false;
}

// Only in STRICT tables does a column of type ANY keep each value as it is.
void take_any_as_it_comes(ReplicatedTable& table) {
  for (std::string& type : table.types) {
    if (folded_name(type) == "any") type.clear();
  }
}

}  // namespace

ReplicatedTable read_table(Database& db, const std::string& name) {
  ReplicatedTable table;
  table.name = name;
  Statement columns(db, "SELECT name, pk, \"notnull\", dflt_value, type FROM pragma_table_info(?1) ORDER BY cid");
  columns.bind(1, name);
  while (columns.step()) {
    table.columns.emplace_back(columns.text(0));
    table.types.emplace_back(columns.text(4));
    table.defaults.emplace_back(columns.text(3));
    table.key.push_back(static_cast<std::uint8_t>(columns.integer(1)));
    table.instead_of_null.push_back(columns.integer(2) != 0 ? value_for_null(table.types.back(), table.defaults.back())
                                                            : std::string());
    table.without_value.push_back(without_value(
        columns.integer(2) != 0, columns.is_null(3) ? std::nullopt : std::optional(std::string(columns.text(3)))));
  }
  if (table.columns.empty()) throw SqliteError(SQLITE_ERROR, "no such table: " + name);
  table.fills.resize(table.columns.size());
  table.key_collations.assign(table.columns.size(), Collation::kBinary);
  table.rowid_key = true;

  Statement indexes(db, "SELECT name, origin, partial FROM pragma_index_list(?1) WHERE \"unique\" ORDER BY name");
  indexes.bind(1, name);
  while (indexes.step()) {
    UniqueIndex index = read_index(db, table, std::string(indexes.text(0)), indexes.integer(2) != 0);
    if (indexes.text(1) != "pk") {
      table.unique.push_back(std::move(index));
      continue;
    }
    table.rowid_key = false;
    for (std::size_t i = 0; i < index.columns.size(); ++i) table.key_collations[index.columns[i]] = index.collations[i];
  }
  table.key_as_declared = is_key_as_declared(db, table);
  return table;
}

void ReplicatedSchema::load(Database& db) {
  if (db.in_transaction()) return read(db, replicated_tables(db));
  const ReadTransaction at_once(db);
  read(db, replicated_tables(db));
}

void ReplicatedSchema::load(Database& db, const std::vector<std::string>& tables) {
  if (db.in_transaction()) return read(db, tables);
  const ReadTransaction at_once(db);
  read(db, tables);
}

void ReplicatedSchema::read(Database& db, const std::vector<std::string>& tables) {
  version_ = -1;
  ++times_read_;
  tables_.clear();
  std::set<std::string, std::less<>> names;
  Statement all(db, "SELECT name FROM sqlite_schema WHERE type = 'table'");
  while (all.step()) names.emplace(all.text(0));
  for (const std::string& name : tables) {
    if (names.contains(name)) tables_.emplace(name, read_table(db, name));
  }
  Statement resolving(db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%conflict%'");
  while (resolving.step()) {
    const auto table = tables_.find(std::string(resolving.text(0)));
    if (table != tables_.end()) table->second.resolves_conflicts = true;
  }
  Statement strict(db, "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%strict%'");
  while (strict.step()) {
    const auto table = tables_.find(std::string(strict.text(0)));
    if (table != tables_.end() && is_strict(std::string(strict.text(1)))) take_any_as_it_comes(table->second);
  }
  read_layouts(db);
  version_ = db.query_integer("PRAGMA schema_version");
}

void ReplicatedSchema::read_layouts(Database& db) {
  layouts_.load(db);
  const LayoutHistory::Fills known = layouts_.fills();
  for (auto& [name, table] : tables_) {
    const auto of = known.find(folded_name(name));
    if (of == known.end()) continue;
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      const auto fill = of->second.find(folded_name(table.columns[i]));
      if (fill == of->second.end() || !table.defaults[i].empty()) continue;
      std::string_view value = fill->second;
      if (take_value(value).type != ValueType::kNull) table.fills[i] = fill->second;
    }
  }
}

bool ReplicatedSchema::is_current(Database& db) const { return db.query_integer("PRAGMA schema_version") == version_; }

bool ReplicatedSchema::refresh(Database& db) {
  if (is_current(db)) return false;
  load(db);
  return true;
}

const ReplicatedTable* ReplicatedSchema::find(const std::string& name) const {
  const auto found = tables_.find(name);
  return found == tables_.end() ? nullptr : &found->second;
}

}  // namespace colony
