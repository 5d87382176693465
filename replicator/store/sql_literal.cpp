#include "replicator/store/sql_literal.h"

#include <spdlog/fmt/fmt.h>

#include <cmath>
#include <string_view>

namespace colony {
namespace {

std::string real_literal(double value) {
  if (std::isinf(value)) return value > 0 ? "9e999" : "-9e999";
  return fmt::format("{:.17e}", value);
}

std::string blob_literal(std::string_view bytes) {
  constexpr const char* kHex = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    hex += kHex[static_cast<unsigned char>(c) >> 4];
    hex += kHex[static_cast<unsigned char>(c) & 15];
  }
  return "x'" + hex + "'";
}

std::string quoted_text(std::string_view text) {
  std::string literal = "'";
  for (const char c : text) literal += c == '\'' ? "''" : std::string(1, c);
  return literal + "'";
}

// SQLite takes any bytes between quotes but NUL, at which the statement would end: others stand for
// it, that do not occur in the text.
std::string text_literal(std::string_view text) {
  if (text.find('\0') == text.npos) return quoted_text(text);
  std::string stand_in = "\x01";
  while (text.find(stand_in) != text.npos) stand_in += '\x02';
  std::string without;
  for (const char c : text) without += c == '\0' ? stand_in : std::string(1, c);
  return "replace(" + quoted_text(without) + ", " + quoted_text(stand_in) + ", char(0))";
}

}  // namespace

std::string sql_literal(const Value& value) {
  switch (value.type) {
    case ValueType::kText:
      return text_literal(value.bytes());
    case ValueType::kBlob:
      return blob_literal(value.bytes());
    case ValueType::kInteger:
      return "(" + std::to_string(value.integer) + ")";
    case ValueType::kReal:
      return "(" + real_literal(value.real) + ")";
    default:
      return "NULL";
  }
}

std::string sql_literal(std::string_view text) { return sql_literal(Value::of_text(text)); }

}  // namespace colony
