#include "tests/sim/cell.h"

#include <sqlite3.h>

#include <bit>
#include <cmath>
#include <cstdio>

namespace colony::sim {
namespace {

std::string hex_of(std::string_view bytes) {
  std::string out;
  char digits[3];
  for (const char c : bytes) {
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(c));
    out += digits;
  }
  return out;
}

std::string shortened(const std::string& text) {
  constexpr std::size_t kShownMax = 60;
  if (text.size() <= kShownMax) return text;
  return text.substr(0, kShownMax) + "...(" + std::to_string(text.size()) + ")";
}

}  // namespace

Cell cell_of(const Value& value) {
  Cell cell;
  switch (value.type) {
    case ValueType::kUndefined:
      break;
    case ValueType::kNull:
      cell.type = Cell::Type::kNull;
      break;
    case ValueType::kInteger:
      cell.type = Cell::Type::kInteger;
      cell.integer = value.integer;
      break;
    case ValueType::kReal:
      cell.type = Cell::Type::kReal;
      cell.real = value.real;
      break;
    case ValueType::kText:
      cell.type = Cell::Type::kText;
      cell.bytes = value.bytes();
      break;
    case ValueType::kBlob:
      cell.type = Cell::Type::kBlob;
      cell.bytes = value.bytes();
      break;
  }
  return cell;
}

Row row_of(const std::vector<Value>& values) {
  Row row;
  for (const Value& value : values) row.push_back(cell_of(value));
  return row;
}

Cell column_cell(sqlite3_stmt* statement, int column) {
  Cell cell;
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
      cell.type = Cell::Type::kInteger;
      cell.integer = sqlite3_column_int64(statement, column);
      break;
    case SQLITE_FLOAT:
      cell.type = Cell::Type::kReal;
      cell.real = sqlite3_column_double(statement, column);
      break;
    case SQLITE_TEXT: {
      cell.type = Cell::Type::kText;
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
      cell.bytes.assign(text, static_cast<std::size_t>(sqlite3_column_bytes(statement, column)));
      break;
    }
    case SQLITE_BLOB: {
      cell.type = Cell::Type::kBlob;
      const auto* blob = static_cast<const char*>(sqlite3_column_blob(statement, column));
      const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
      if (size != 0) cell.bytes.assign(blob, size);
      break;
    }
    default:
      cell.type = Cell::Type::kNull;
  }
  return cell;
}

bool same_bits(const Cell& a, const Cell& b) {
  return a.type == b.type && a.integer == b.integer &&
         std::bit_cast<std::uint64_t>(a.real) == std::bit_cast<std::uint64_t>(b.real) && a.bytes == b.bytes;
}

bool same_bits(const Row& a, const Row& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!same_bits(a[i], b[i])) return false;
  }
  return true;
}

bool equal_values(const Cell& a, const Cell& b) {
  if (a.type == b.type && a.type != Cell::Type::kReal) return same_bits(a, b);
  return comparable(a, Collate::kBinary) == comparable(b, Collate::kBinary);
}

std::string comparable(const Cell& cell, Collate collate) {
  constexpr double kIntegersEnd = 9223372036854775808.0;
  switch (cell.type) {
    case Cell::Type::kUnknown:
      return "?";
    case Cell::Type::kNull:
      return "0";
    case Cell::Type::kInteger:
      return "n" + std::to_string(cell.integer) + ";";
    case Cell::Type::kReal:
      if (cell.real >= -kIntegersEnd && cell.real < kIntegersEnd && std::floor(cell.real) == cell.real) {
        return "n" + std::to_string(static_cast<std::int64_t>(cell.real)) + ";";
      }
      return "r" + std::to_string(std::bit_cast<std::uint64_t>(cell.real)) + ";";
    case Cell::Type::kText:
    case Cell::Type::kBlob:
      break;
  }
  std::string bytes = cell.bytes;
  const bool text = cell.type == Cell::Type::kText;
  if (text && collate == Collate::kNoCase) {
    for (char& c : bytes) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  } else if (text && collate == Collate::kRightTrim) {
    while (!bytes.empty() && bytes.back() == ' ') bytes.pop_back();
  }
  return (text ? "t" : "b") + std::to_string(bytes.size()) + ":" + bytes;
}

std::string shown(const Cell& cell) {
  switch (cell.type) {
    case Cell::Type::kUnknown:
      return "-";
    case Cell::Type::kNull:
      return "NULL";
    case Cell::Type::kInteger:
      return std::to_string(cell.integer);
    case Cell::Type::kReal: {
      char text[40];
      std::snprintf(text, sizeof text, "%.17g", cell.real);
      return std::string(text) + (std::string_view(text).find_first_of(".en") == std::string::npos ? ".0" : "");
    }
    case Cell::Type::kText:
      for (const char c : cell.bytes) {
        if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x80) {
          return "text:x'" + shortened(hex_of(cell.bytes)) + "'";
        }
      }
      return "'" + shortened(cell.bytes) + "'";
    case Cell::Type::kBlob:
      return "x'" + shortened(hex_of(cell.bytes)) + "'";
  }
  return "";
}

std::string shown(const Row& row) {
  std::string out = "(";
  for (const Cell& cell : row) out += (out.size() > 1 ? ", " : "") + shown(cell);
  return out + ")";
}

}  // namespace colony::sim
