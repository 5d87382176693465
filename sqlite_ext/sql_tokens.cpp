#include "sqlite_ext/sql_tokens.h"

#include <algorithm>

namespace colony {
namespace {

constexpr std::string_view kSpace = " \t\n\r\f";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool begins_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

bool is_in_word(char c) { return begins_word(c) || is_digit(c) || c == '$'; }

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

// How long the comment at the start of `rest` is; 0 if there is none.
std::size_t comment_size(std::string_view rest) {
  if (rest.starts_with("--")) return std::min(rest.find('\n'), rest.size());
  if (!rest.starts_with("/*")) return 0;
  const std::size_t end = rest.find("*/", 2);
  return end == std::string_view::npos ? rest.size() : end + 2;
}

std::size_t quoted_size(std::string_view rest) {
  const char close = rest.front() == '[' ? ']' : rest.front();
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] != close) continue;
    if (close == ']' || i + 1 >= rest.size() || rest[i + 1] != close) return i + 1;
    ++i;  // a doubled quote
  }
  return rest.size();
}

template <class Predicate>
std::size_t size_while(std::string_view rest, Predicate&& holds) {
  return static_cast<std::size_t>(std::find_if_not(rest.begin(), rest.end(), holds) - rest.begin());
}

SqlToken token_at(std::string_view rest) {
  const char c = rest.front();
  if (begins_word(c)) return {SqlToken::Kind::kWord, rest.substr(0, size_while(rest, is_in_word))};
  if (std::string_view("'\"`[").find(c) != std::string_view::npos) {
    return {SqlToken::Kind::kQuoted, rest.substr(0, quoted_size(rest))};
  }
  if (is_digit(c) || (c == '.' && rest.size() > 1 && is_digit(rest[1]))) {
    return {SqlToken::Kind::kNumber,
            rest.substr(0, size_while(rest, [](char d) { return is_in_word(d) || d == '.'; }))};
  }
  return {SqlToken::Kind::kOther, rest.substr(0, 1)};
}

}  // namespace

bool SqlToken::is(std::string_view word) const {
  return kind == Kind::kWord &&
         std::equal(text.begin(), text.end(), word.begin(), word.end(), [](char a, char b) { return upper(a) == b; });
}

std::string SqlToken::name() const {
  if (kind != Kind::kQuoted || text.size() < 2) return std::string(text);
  const char close = text.back();
  std::string name;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    name += text[i];
    if (text[i] == close && close != ']') ++i;
  }
  return name;
}

std::vector<SqlToken> sql_tokens(std::string_view sql) {
  std::vector<SqlToken> tokens;
  while (!sql.empty()) {
    if (const std::size_t spaces = std::min(sql.find_first_not_of(kSpace), sql.size()); spaces > 0) {
      sql.remove_prefix(spaces);
    } else if (const std::size_t comment = comment_size(sql); comment > 0) {
      sql.remove_prefix(comment);
    } else {
      tokens.push_back(token_at(sql));
      sql.remove_prefix(tokens.back().text.size());
    }
  }
  return tokens;
}

std::string folded_name(std::string_view name) {
  std::string folded(name);
  for (char& c : folded) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return folded;
}

}  // namespace colony
