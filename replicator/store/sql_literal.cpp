#include "replicator/store/sql_literal.h"

#include <spdlog/fmt/fmt.h>

#include <cmath>

namespace colony {
namespace {

std::string real_literal(double value) {
  if (std::isinf(value)) return value > 0 ? "9e999" : "-9e999";
  return fmt::format("{:.17e}", value);
}

}  // namespace

std::string sql_literal(const Value& value) {
  constexpr const char* kHex = "0123456789abcdef";
  std::string hex;
  if (value.type == ValueType::kText || value.type == ValueType::kBlob) {
    for (const char c : value.bytes()) {
      hex += kHex[static_cast<unsigned char>(c) >> 4];
      hex += kHex[static_cast<unsigned char>(c) & 15];
    }
  }
  switch (value.type) {
    case ValueType::kText:
      return "CAST(x'" + hex + "' AS TEXT)";
    case ValueType::kBlob:
      return "x'" + hex + "'";
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
