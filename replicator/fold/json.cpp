#include "replicator/fold/json.h"

#include <spdlog/fmt/fmt.h>

#include <cmath>

namespace colony {
namespace {

// Well-formed UTF-8 without NULs (RFC 3629).
bool is_json_text(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t at) -> unsigned {
      return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u;
    };
    const unsigned lead = byte(i);
    const std::size_t length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead == 0 || (lead >= 0x80 && lead < 0xc2) || lead > 0xf4) return false;
    for (std::size_t k = 1; k < length; ++k) {
      if ((byte(i + k) & 0xc0) != 0x80) return false;
    }
    const unsigned second = byte(i + 1);
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) || (lead == 0xf0 && second < 0x90) ||
        (lead == 0xf4 && second > 0x8f)) {
      return false;
    }
    i += length;
  }
  return true;
}

// `text` is well-formed.
std::string quoted_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

// The shortest text that gives the same number again, and that is no integer.
std::string real_text(double real) {
  if (std::isinf(real)) return real > 0 ? "9e999" : "-9e999";
  const std::string text = fmt::format("{}", real);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

}  // namespace

std::string json_string(std::string_view text) {
  if (is_json_text(text)) return quoted_text(text);
  std::string replaced;
  for (const char c : text) {
    const bool ascii = c != '\0' && static_cast<unsigned char>(c) < 0x80;
    replaced += ascii ? std::string(1, c) : "\xEF\xBF\xBD";  // U+FFFD
  }
  return quoted_text(replaced);
}

std::string json_value(const Value& value) {
  switch (value.type) {
    case ValueType::kInteger:
      return fmt::format("{}", value.integer);
    case ValueType::kReal:
      return real_text(value.real);
    case ValueType::kText:
      if (is_json_text(value.bytes())) return quoted_text(value.bytes());
      [[fallthrough]];
    case ValueType::kBlob: {
      std::string out = "{\"hex\":\"";
      for (const char c : value.bytes()) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
      return out + "\"}";
    }
    case ValueType::kNull:
    case ValueType::kUndefined:
      break;
  }
  return "null";
}

std::string json_row(const std::vector<std::string>& columns, const std::vector<Value>& values) {
  JsonObject row;
  for (std::size_t i = 0; i < values.size() && i < columns.size(); ++i) {
    if (values[i].defined()) row.add_raw(columns[i], json_value(values[i]));
  }
  return row.text();
}

JsonObject& JsonObject::add_raw(std::string_view name, std::string_view json) {
  if (!members_.empty()) members_ += ',';
  members_ += json_string(name);
  members_ += ':';
  members_ += json;
  return *this;
}

std::string json_array(const std::vector<std::string>& elements) {
  std::string out = "[";
  for (const std::string& element : elements) out += (out.size() > 1 ? "," : "") + element;
  return out + "]";
}

}  // namespace colony
