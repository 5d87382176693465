#include "tests/sim/journal_text.h"

#include <bit>
#include <cmath>
#include <cstdlib>
#include <stdexcept>

namespace colony::sim {
namespace {

std::string sized(char kind, const std::string& bytes) {
  return kind + std::to_string(bytes.size()) + ":" + bytes + ";";
}

std::string canonical_real(double real) { return "r" + std::to_string(std::bit_cast<std::uint64_t>(real)) + ";"; }

class Json {
 public:
  explicit Json(const std::string& text) : text_(text) {}

  std::string object() {
    std::string out;
    expect('{');
    if (peek() == '}') return out;
    for (;;) {
      const std::string name = string();
      expect(':');
      out += sized('c', name) + value();
      if (peek() != ',') break;
      expect(',');
    }
    expect('}');
    if (at_ != text_.size()) fail();
    return out;
  }

 private:
  [[noreturn]] void fail() const { throw std::runtime_error("the journal has no JSON object: " + text_); }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void expect(char c) {
    if (peek() != c) fail();
    ++at_;
  }

  std::string string() {
    std::string out;
    for (expect('"'); peek() != '"'; ++at_) {
      if (at_ >= text_.size() || static_cast<unsigned char>(peek()) < 0x20) fail();
      if (peek() != '\\') {
        out += peek();
        continue;
      }
      ++at_;
      if (peek() == 'u') {
        out += static_cast<char>(std::strtol(text_.substr(at_ + 1, 4).c_str(), nullptr, 16));
        at_ += 4;
      } else {
        const std::string_view names = "bfnrt", meanings = "\b\f\n\r\t";
        const std::size_t found = names.find(peek());
        out += found == std::string_view::npos ? peek() : meanings[found];
      }
    }
    ++at_;
    return out;
  }

  std::string value() {
    if (peek() == '"') return sized('t', string());
    if (peek() == '{') {
      expect('{');
      if (string() != "hex") fail();
      expect(':');
      const std::string hex = string();
      expect('}');
      return sized('h', hex);
    }
    const std::size_t end = text_.find_first_of(",}", at_);
    const std::string word = text_.substr(at_, end - at_);
    at_ = end;
    if (word == "null") return "0;";
    if (word.find_first_of(".e") == std::string::npos) return "i" + word + ";";
    return canonical_real(std::strtod(word.c_str(), nullptr));
  }

  const std::string& text_;
  std::size_t at_ = 0;
};

// As production decides it: well-formed UTF-8 without NUL goes as a string.
bool is_plain_text(const std::string& text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto at = [&](std::size_t k) { return k < text.size() ? static_cast<unsigned char>(text[k]) : 0u; };
    std::uint32_t point = at(i);
    std::size_t more = 0;
    std::uint32_t least = 1;
    if (point >= 0xf0 && point < 0xf8)
      more = 3, least = 0x10000, point &= 7;
    else if (point >= 0xe0)
      more = 2, least = 0x800, point &= 15;
    else if (point >= 0xc0)
      more = 1, least = 0x80, point &= 31;
    else if (point >= 0x80)
      return false;
    for (std::size_t k = 1; k <= more; ++k) {
      if ((at(i + k) & 0xc0) != 0x80) return false;
      point = point << 6 | (at(i + k) & 0x3f);
    }
    if (point < least || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return false;
    i += more + 1;
  }
  return true;
}

std::string hex_of(const std::string& bytes) {
  std::string out;
  for (const char c : bytes) {
    out += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
    out += "0123456789abcdef"[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

std::string canonical_cell(const Cell& cell) {
  switch (cell.type) {
    case Cell::Type::kInteger:
      return "i" + std::to_string(cell.integer) + ";";
    case Cell::Type::kReal:
      return canonical_real(cell.real);
    case Cell::Type::kText:
      if (is_plain_text(cell.bytes)) return sized('t', cell.bytes);
      return sized('h', hex_of(cell.bytes));
    case Cell::Type::kBlob:
      return sized('h', hex_of(cell.bytes));
    default:
      return "0;";
  }
}

}  // namespace

std::string canonical_json(const std::string& json) { return Json(json).object(); }

std::string canonical_row(const Table& table, const Row& row) {
  std::string out;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (row[i].known()) out += sized('c', table.columns[i].name) + canonical_cell(row[i]);
  }
  return out;
}

}  // namespace colony::sim
