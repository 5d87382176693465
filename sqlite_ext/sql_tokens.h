// SQL cut into tokens as SQLite does it, for definitions that have to be taken apart:
// what is in strings, quoted names and comments is never mistaken for syntax.
//
// The tokens are views into the text. No errors: what does not end goes to the text's end.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace colony {

struct SqlToken {
  enum class Kind { kWord, kQuoted, kNumber, kOther };  // kQuoted: a string, or a name in quotes
  Kind kind = Kind::kOther;
  std::string_view text;

  // An unquoted word, in whatever case; `upper` is in capitals.
  bool is(std::string_view upper) const;
  // A single character that is neither word nor quoted.
  bool is(char c) const { return kind == Kind::kOther && text.size() == 1 && text.front() == c; }
  // What it names: without quotes, and doubled ones once.
  std::string name() const;
};

// White space and comments are left out.
std::vector<SqlToken> sql_tokens(std::string_view sql);

// As SQLite compares names: A-Z are a-z, and nothing else is folded.
std::string folded_name(std::string_view name);

}  // namespace colony
