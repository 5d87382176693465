// One value of a row, as the simulator's own model knows it: it shares nothing
// with the fold that it judges.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sqlite_ext/changeset.h"

struct sqlite3_stmt;

namespace colony::sim {

enum class Collate : std::uint8_t { kBinary, kNoCase, kRightTrim };

struct Cell {
  enum class Type : std::uint8_t { kUnknown, kNull, kInteger, kReal, kText, kBlob };

  Type type = Type::kUnknown;  // kUnknown: a change does not speak of this column
  std::int64_t integer = 0;
  double real = 0;
  std::string bytes;

  bool known() const { return type != Type::kUnknown; }
};

using Row = std::vector<Cell>;
using RowHandle = std::shared_ptr<const Row>;

Cell cell_of(const Value& value);
Row row_of(const std::vector<Value>& values);
Cell column_cell(sqlite3_stmt* statement, int column);

// The same type and the same bits.
bool same_bits(const Cell& a, const Cell& b);
bool same_bits(const Row& a, const Row& b);

// What SQLite's IS says of two values under BINARY.
bool equal_values(const Cell& a, const Cell& b);

// Equal strings for values that SQLite holds equal under the collation, unequal
// ones for the others. NULL is equal to itself here.
std::string comparable(const Cell& cell, Collate collate);

// As the transcript shows them.
std::string shown(const Cell& cell);
std::string shown(const Row& row);

}  // namespace colony::sim
