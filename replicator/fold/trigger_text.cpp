#include "replicator/fold/trigger_text.h"

#include <algorithm>

#include "replicator/log/error.h"
#include "sqlite_ext/captured_table.h"

namespace colony {
namespace {

// Reads one token after the other; whatever comes unexpectedly is an Error.
class Tokens {
 public:
  explicit Tokens(const std::vector<SqlToken>& tokens) : tokens_(tokens) {}

  const SqlToken& take() {
    if (at_ == tokens_.size()) fail();
    return tokens_[at_++];
  }
  template <class WordOrCharacter>
  bool take_if(WordOrCharacter what) {
    if (at_ == tokens_.size() || !tokens_[at_].is(what)) return false;
    ++at_;
    return true;
  }
  void expect(const char* word) {
    if (!take_if(word)) fail();
  }
  bool at_end() const { return at_ == tokens_.size(); }
  [[noreturn]] static void fail() { throw Error("a trigger's definition is not as expected"); }

 private:
  const std::vector<SqlToken>& tokens_;
  std::size_t at_ = 0;
};

TriggerText::Timing take_timing(Tokens& tokens) {
  if (tokens.take_if("AFTER")) return TriggerText::Timing::kAfter;
  if (tokens.take_if("INSTEAD")) {
    tokens.expect("OF");
    return TriggerText::Timing::kInsteadOf;
  }
  tokens.take_if("BEFORE");
  return TriggerText::Timing::kBefore;
}

RowEvent take_event(Tokens& tokens) {
  if (tokens.take_if("DELETE")) return RowEvent::kDelete;
  if (tokens.take_if("INSERT")) return RowEvent::kInsert;
  tokens.expect("UPDATE");
  return RowEvent::kUpdate;
}

// Past the name of the table, after which either WHEN or BEGIN comes: a column that an
// UPDATE OF lists, or the table itself, may be called like one of them.
void skip_to_table(Tokens& tokens) {
  if (tokens.take_if("OF")) {
    do tokens.take();
    while (tokens.take_if(','));
  }
  tokens.expect("ON");
  tokens.take();  // the table
  if (tokens.take_if("FOR")) {
    tokens.expect("EACH");
    tokens.expect("ROW");
  }
}

// The BEGIN that ends the condition: not one in parentheses, or a column after a dot.
const SqlToken& take_to_begin(Tokens& tokens) {
  if (!tokens.take_if("WHEN")) {
    const SqlToken& begin = tokens.take();
    if (!begin.is("BEGIN")) Tokens::fail();
    return begin;
  }
  int depth = 0;
  for (bool after_dot = false;;) {
    const SqlToken& token = tokens.take();
    if (depth == 0 && !after_dot && token.is("BEGIN")) return token;
    depth += token.is('(') ? 1 : token.is(')') ? -1 : 0;
    after_dot = token.is('.');
  }
}

std::string target_of(const std::vector<SqlToken>& statement) {
  Tokens tokens(statement);
  const SqlToken& verb = tokens.take();
  if (verb.is("INSERT") || verb.is("REPLACE")) {
    if (tokens.take_if("OR")) tokens.take();
    tokens.expect("INTO");
  } else if (verb.is("UPDATE")) {
    if (tokens.take_if("OR")) tokens.take();
  } else {
    tokens.expect("FROM");
  }
  return tokens.take().name();
}

TriggerStatement statement_of(std::vector<SqlToken> tokens) {
  TriggerStatement statement;
  const SqlToken &first = tokens.front(), &last = tokens.back();
  const char* const end = last.text.data() + last.text.size();
  statement.text = {first.text.data(), static_cast<std::size_t>(end - first.text.data())};
  statement.inserts = first.is("INSERT") || first.is("REPLACE");
  statement.writes = statement.inserts || first.is("UPDATE") || first.is("DELETE");
  if (statement.writes) statement.target = target_of(tokens);
  statement.tokens = std::move(tokens);
  return statement;
}

}  // namespace

bool TriggerStatement::uses_word(std::string_view upper) const {
  return std::any_of(tokens.begin(), tokens.end(), [&](const SqlToken& token) { return token.is(upper); });
}

std::string TriggerText::temp_copy(const std::string& name, const std::vector<const TriggerStatement*>& kept) const {
  std::string sql = "CREATE TEMP TRIGGER " + quoted(name) + std::string(head) + "BEGIN ";
  for (const TriggerStatement* const statement : kept) sql += std::string(statement->text) + "; ";
  return sql + "END";
}

TriggerText take_trigger_apart(std::string_view create_trigger) {
  const std::vector<SqlToken> all = sql_tokens(create_trigger);
  Tokens tokens(all);
  TriggerText trigger;
  tokens.expect("CREATE");
  tokens.expect("TRIGGER");
  const SqlToken& name = tokens.take();
  trigger.timing = take_timing(tokens);
  trigger.event = take_event(tokens);
  skip_to_table(tokens);
  const SqlToken& begin = take_to_begin(tokens);
  const char* const head = name.text.data() + name.text.size();
  trigger.head = {head, static_cast<std::size_t>(begin.text.data() - head)};

  std::vector<SqlToken> statement;
  for (;;) {
    const SqlToken& token = tokens.take();
    if (token.is(';')) {
      if (!statement.empty()) trigger.statements.push_back(statement_of(std::move(statement)));
      statement.clear();
    } else if (statement.empty() && token.is("END") && tokens.at_end()) {
      return trigger;
    } else {
      statement.push_back(token);
    }
  }
}

}  // namespace colony
