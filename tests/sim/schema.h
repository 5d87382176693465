// A database's tables as the simulator sees them: read with PRAGMAs, by code of
// its own, so that a mistake in the replicator's reading is found out.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/cell.h"

struct sqlite3;

namespace colony::sim {

enum class Affinity : std::uint8_t { kInteger, kReal, kText, kNumeric, kNone };

struct Column {
  std::string name;
  Affinity affinity = Affinity::kNone;
  bool not_null = false;
  std::size_t key_place = 0;  // 0, or its place in the primary key from 1
};

// What must be unique besides the primary key.
struct UniqueRule {
  struct Part {
    std::size_t column = 0;
    Collate collate = Collate::kBinary;
    std::optional<Cell> instead_of_null;  // the part is coalesce(column, this)
  };
  std::string name;
  std::vector<Part> parts;
  std::optional<std::size_t> only_if_not_null;  // a partial index
};

struct Table {
  std::string name;
  std::vector<Column> columns;  // the replicated ones: no generated columns
  std::vector<std::string> generated;
  std::vector<Collate> key_collates;  // per column
  std::vector<UniqueRule> unique;
  bool rowid_key = false;

  std::size_t key_columns() const;
  // Equal for rows that SQLite holds to have the same primary key.
  std::string key_of(const Row& row) const;
  // What the row is in the index, or nothing if it is not in it or can be there
  // as often as it likes.
  static std::optional<std::string> index_entry(const UniqueRule& rule, const Row& row);
};

struct Schema {
  std::vector<Table> tables;

  const Table* find(const std::string& name) const;
};

// The tables with a primary key. Throws std::runtime_error for a unique index
// that the model has no way to follow: what it knows of expressions is
// `coalesce("column", 'literal')`, in an index or as a generated column, and of
// WHERE clauses `"column" IS NOT NULL`.
Schema read_schema(sqlite3* db);

// "name", its quotes doubled.
std::string quote(const std::string& name);

}  // namespace colony::sim
