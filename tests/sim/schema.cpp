#include "tests/sim/schema.h"

#include <sqlite3.h>

#include <algorithm>
#include <stdexcept>

namespace colony::sim {
namespace {

using Rows = std::vector<Row>;

Rows query(sqlite3* db, const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) {
    throw std::runtime_error(sql + ": " + sqlite3_errmsg(db));
  }
  Rows rows;
  while (sqlite3_step(statement) == SQLITE_ROW) {
    Row& row = rows.emplace_back();
    for (int i = 0; i < sqlite3_column_count(statement); ++i) row.push_back(column_cell(statement, i));
  }
  sqlite3_finalize(statement);
  return rows;
}

std::string literal(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "''" : std::string(1, c);
  return out + "'";
}

// sqlite.org/datatype3.html, 3.1
Affinity affinity_of(std::string type) {
  std::transform(type.begin(), type.end(), type.begin(), [](unsigned char c) { return std::toupper(c); });
  const auto has = [&](const char* word) { return type.find(word) != std::string::npos; };
  if (has("INT")) return Affinity::kInteger;
  if (has("CHAR") || has("CLOB") || has("TEXT")) return Affinity::kText;
  if (type.empty() || has("BLOB") || type == "ANY") return Affinity::kNone;
  if (has("REAL") || has("FLOA") || has("DOUB")) return Affinity::kReal;
  return Affinity::kNumeric;
}

Collate collate_of(const std::string& name) {
  if (name == "NOCASE") return Collate::kNoCase;
  if (name == "RTRIM") return Collate::kRightTrim;
  if (name == "BINARY") return Collate::kBinary;
  throw std::runtime_error("the model does not know the collation " + name);
}

// coalesce("column", 'literal') at the start of `text`.
std::optional<UniqueRule::Part> coalesce_in(const Table& table, const std::string& text) {
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const std::string head = "coalesce(" + quote(table.columns[i].name) + ", '";
    const std::size_t at = text.find(head);
    if (at == std::string::npos) continue;
    UniqueRule::Part part;
    part.column = i;
    part.instead_of_null.emplace();
    part.instead_of_null->type = Cell::Type::kText;
    part.instead_of_null->bytes = text.substr(at + head.size(), text.find('\'', at + head.size()) - at - head.size());
    return part;
  }
  return std::nullopt;
}

UniqueRule::Part part_of(const Table& table, const Row& info, const std::string& index_sql,
                         const std::string& table_sql) {
  const std::string collation = info[1].bytes;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    if (info[0].type == Cell::Type::kText && table.columns[i].name == info[0].bytes) {
      return {i, collate_of(collation), std::nullopt};
    }
  }
  // An expression, or a generated column, whose expression is in the table's text.
  std::string text = index_sql;
  if (info[0].type == Cell::Type::kText) {
    const std::size_t name = table_sql.find(quote(info[0].bytes) + " ");
    const std::size_t at = name == std::string::npos ? name : table_sql.find(" AS (", name);
    text = at == std::string::npos ? "" : table_sql.substr(at, table_sql.find(')', at) - at);
  }
  std::optional<UniqueRule::Part> part = coalesce_in(table, text);
  if (!part) throw std::runtime_error("the model cannot follow a unique index of " + table.name);
  part->collate = collate_of(collation);
  return *part;
}

UniqueRule rule_of(sqlite3* db, const Table& table, const std::string& name, bool partial,
                   const std::string& table_sql) {
  UniqueRule rule;
  rule.name = name;
  const Rows sql = query(db, "SELECT sql FROM sqlite_schema WHERE type = 'index' AND name = " + literal(name));
  const std::string index_sql = sql.empty() ? "" : sql.front()[0].bytes;
  for (const Row& info :
       query(db, "SELECT name, coll FROM pragma_index_xinfo(" + literal(name) + ") WHERE key ORDER BY seqno")) {
    rule.parts.push_back(part_of(table, info, index_sql, table_sql));
  }
  if (!partial) return rule;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    if (index_sql.find("WHERE " + quote(table.columns[i].name) + " IS NOT NULL") != std::string::npos) {
      rule.only_if_not_null = i;
    }
  }
  if (!rule.only_if_not_null) throw std::runtime_error("the model cannot follow the partial index " + name);
  return rule;
}

void read_columns(sqlite3* db, Table& table) {
  for (const Row& info : query(db, "SELECT name, type, \"notnull\", pk, hidden FROM pragma_table_xinfo(" +
                                       literal(table.name) + ") ORDER BY cid")) {
    if (info[4].integer != 0) {
      table.generated.push_back(info[0].bytes);
      continue;
    }
    table.columns.push_back(
        {info[0].bytes, affinity_of(info[1].bytes), info[2].integer != 0, static_cast<std::size_t>(info[3].integer)});
  }
  table.key_collates.assign(table.columns.size(), Collate::kBinary);
  table.rowid_key = true;
}

void read_indexes(sqlite3* db, Table& table, const std::string& table_sql) {
  for (const Row& index : query(db, "SELECT name, origin, partial FROM pragma_index_list(" + literal(table.name) +
                                        ") WHERE \"unique\" ORDER BY name")) {
    if (index[1].bytes != "pk") {
      table.unique.push_back(rule_of(db, table, index[0].bytes, index[2].integer != 0, table_sql));
      continue;
    }
    table.rowid_key = false;
    for (const Row& info : query(db, "SELECT cid, coll FROM pragma_index_xinfo(" + literal(index[0].bytes) +
                                         ") WHERE key ORDER BY seqno")) {
      const std::string name = query(db, "SELECT name FROM pragma_table_xinfo(" + literal(table.name) +
                                             ") WHERE cid = " + std::to_string(info[0].integer))[0][0]
                                   .bytes;
      for (std::size_t i = 0; i < table.columns.size(); ++i) {
        if (table.columns[i].name == name) table.key_collates[i] = collate_of(info[1].bytes);
      }
    }
  }
}

}  // namespace

std::size_t Table::key_columns() const {
  return static_cast<std::size_t>(
      std::count_if(columns.begin(), columns.end(), [](const Column& column) { return column.key_place != 0; }));
}

std::string Table::key_of(const Row& row) const {
  std::string key;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].key_place != 0) key += comparable(row[i], key_collates[i]);
  }
  return key;
}

std::optional<std::string> Table::index_entry(const UniqueRule& rule, const Row& row) {
  if (rule.only_if_not_null && row[*rule.only_if_not_null].type == Cell::Type::kNull) return std::nullopt;
  std::string entry;
  for (const UniqueRule::Part& part : rule.parts) {
    const Cell* cell = &row[part.column];
    if (cell->type == Cell::Type::kNull && part.instead_of_null) cell = &*part.instead_of_null;
    if (cell->type == Cell::Type::kNull) return std::nullopt;
    entry += comparable(*cell, part.collate);
  }
  return entry;
}

const Table* Schema::find(const std::string& name) const {
  for (const Table& table : tables) {
    if (table.name == name) return &table;
  }
  return nullptr;
}

std::string quote(const std::string& name) {
  std::string out = "\"";
  for (const char c : name) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

Schema read_schema(sqlite3* db) {
  Schema schema;
  for (const Row& found : query(db,
                                "SELECT l.name, s.sql FROM pragma_table_list AS l JOIN sqlite_schema AS s "
                                "ON s.name = l.name AND s.type = 'table' WHERE l.schema = 'main' AND "
                                "l.type = 'table' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND "
                                "l.name NOT LIKE '\\_\\_colony\\_%' ESCAPE '\\' ORDER BY l.name")) {
    Table table;
    table.name = found[0].bytes;
    read_columns(db, table);
    read_indexes(db, table, found[1].bytes);
    if (table.key_columns() != 0) schema.tables.push_back(std::move(table));
  }
  return schema;
}

}  // namespace colony::sim
