#include "replicator/fold/index_statement.h"

#include "replicator/fold/schema_statements.h"
#include "sqlite_ext/sql_tokens.h"

namespace colony {

std::string indexed_table(const std::string& create_index) {
  const std::vector<SqlToken> tokens = sql_tokens(create_index);
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (tokens[i].is("ON")) return tokens[i + 1].name();
  }
  return "";
}

std::pair<std::vector<std::string>, std::string> index_terms(const std::string& create_index) {
  std::vector<std::string> terms;
  std::string condition;
  int depth = 0;
  const char* begin = nullptr;
  const std::vector<SqlToken> tokens = sql_tokens(create_index);
  bool after_on = false;
  for (const SqlToken& token : tokens) {
    after_on |= token.is("ON");
    if (!after_on) continue;
    const bool ends = depth == 1 && (token.is(',') || token.is(')'));
    if (ends) terms.emplace_back(begin, token.text.data());
    if (depth == 0 && token.is("WHERE")) {
      const char* const from = token.text.data() + token.text.size();
      condition = std::string(from, create_index.data() + create_index.size());
      break;
    }
    depth += token.is('(') ? 1 : token.is(')') ? -1 : 0;
    if (depth == 1 && (token.is('(') || token.is(','))) begin = token.text.data() + 1;
  }
  for (std::string& term : terms) {  // ASC and DESC order an index, and are none of an expression's
    const std::vector<SqlToken> words = sql_tokens(term);
    if (!words.empty() && (words.back().is("ASC") || words.back().is("DESC"))) {
      term.resize(static_cast<std::size_t>(words.back().text.data() - term.data()));
    }
  }
  return {terms, condition};
}

bool has_columns_of(Database& db, const std::string& create_index) {
  const std::string table = indexed_table(create_index);
  for (const std::string& term : index_terms(create_index).first) {
    const std::vector<SqlToken> tokens = sql_tokens(term);
    if (tokens.size() != 1 || tokens[0].text.front() == '\'' || tokens[0].kind == SqlToken::Kind::kNumber) continue;
    if (!has_column(db, table, tokens[0].name())) return false;
  }
  return true;
}

}  // namespace colony
