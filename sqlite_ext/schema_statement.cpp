#include "sqlite_ext/schema_statement.h"

#include <cctype>

namespace colony {
namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || (c & 0x80) != 0; }

class Words {
 public:
  explicit Words(std::string_view sql) : rest_(sql) {}

  // A word or a name without its quotes, or one other character; empty at the end.
  std::string next() {
    skip_space();
    if (rest_.empty()) return "";
    const char first = rest_.front();
    if (first == '"' || first == '`' || first == '\'') return take_quoted(first);
    if (first == '[') return take_quoted(']');
    std::size_t length = 1;
    if (is_word(first)) {
      while (length < rest_.size() && is_word(rest_[length])) ++length;
    }
    std::string word(rest_.substr(0, length));
    rest_.remove_prefix(length);
    return word;
  }

  std::string next_upper() {
    std::string word = next();
    for (char& c : word) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return word;
  }

 private:
  void skip_space() {
    for (;;) {
      while (!rest_.empty() && (std::isspace(static_cast<unsigned char>(rest_.front())) != 0 || rest_.front() == ';')) {
        rest_.remove_prefix(1);
      }
      if (rest_.starts_with("--")) {
        rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size()));
      } else if (rest_.starts_with("/*")) {
        const std::size_t end = rest_.find("*/", 2);
        rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 2);
      } else {
        return;
      }
    }
  }

  std::string take_quoted(char quote) {
    std::string name;
    std::size_t at = 1;
    for (; at < rest_.size(); ++at) {
      if (rest_[at] == quote) {
        if (quote == ']' || at + 1 >= rest_.size() || rest_[at + 1] != quote) break;
        ++at;
      }
      name += rest_[at];
    }
    rest_.remove_prefix(std::min(at + 1, rest_.size()));
    return name;
  }

  std::string_view rest_;
};

bool is_between(const std::string& word) {
  for (const char* known : {"UNIQUE", "VIRTUAL", "TABLE", "INDEX", "VIEW", "TRIGGER", "IF", "NOT", "EXISTS"}) {
    if (word == known) return true;
  }
  return false;
}

}  // namespace

std::optional<SchemaStatement> schema_statement(std::string_view sql) {
  // Most statements are none, and this is asked of each.
  constexpr std::string_view kMayBegin = "CcDdAa-/; \t\r\n\f\v";
  if (sql.empty() || kMayBegin.find(sql.front()) == std::string_view::npos) return std::nullopt;
  Words words(sql);
  const std::string verb = words.next_upper();
  if (verb != "CREATE" && verb != "DROP" && verb != "ALTER") return std::nullopt;
  Words ahead = words;
  for (std::string word = ahead.next_upper(); is_between(word) || word == "TEMP" || word == "TEMPORARY";) {
    if (word == "TEMP" || word == "TEMPORARY") return SchemaStatement{"temp"};
    words = ahead;
    word = ahead.next_upper();
  }
  std::string name = words.next();
  return words.next() == "." ? SchemaStatement{std::move(name)} : SchemaStatement{};
}

}  // namespace colony
