#include "sqlite_ext/table_statement.h"

#include <cstddef>
#include <vector>

#include "sqlite_ext/sql_tokens.h"

namespace colony {
namespace {

class Cursor {
 public:
  explicit Cursor(const std::vector<SqlToken>& tokens) : tokens_(tokens) {}

  bool take(std::string_view word) {
    if (at_ >= tokens_.size() || !tokens_[at_].is(word)) return false;
    ++at_;
    return true;
  }
  bool take(char c) {
    if (at_ >= tokens_.size() || !tokens_[at_].is(c)) return false;
    ++at_;
    return true;
  }
  std::string as_written() const { return at_ < tokens_.size() ? std::string(tokens_[at_].text) : std::string(); }
  std::string name() { return at_ < tokens_.size() ? tokens_[at_++].name() : std::string(); }
  // `schema.name` or `name`.
  void object(TableStatement& statement) {
    statement.table = name();
    if (!take('.')) return;
    statement.schema = std::move(statement.table);
    statement.table = name();
  }

 private:
  const std::vector<SqlToken>& tokens_;
  std::size_t at_ = 0;
};

std::optional<TableStatement> alter_statement(Cursor& at) {
  TableStatement statement;
  if (!at.take("TABLE")) return std::nullopt;
  at.object(statement);
  if (at.take("RENAME")) {
    if (at.take("TO")) {
      statement.kind = TableStatement::Kind::kRename;
      statement.to = at.name();
      return statement;
    }
    at.take("COLUMN");
    statement.kind = TableStatement::Kind::kRenameColumn;
    statement.column = at.name();
    if (!at.take("TO")) return std::nullopt;
    statement.to_as_written = at.as_written();
    statement.to = at.name();
    return statement;
  }
  if (!at.take("DROP")) return std::nullopt;
  at.take("COLUMN");
  statement.kind = TableStatement::Kind::kDropColumn;
  statement.column = at.name();
  return statement;
}

}  // namespace

std::optional<TableStatement> table_statement(std::string_view sql) {
  constexpr std::size_t kHeadMax = 4096;  // what matters stands at its beginning, and a comment before it
  std::vector<SqlToken> tokens = sql_tokens(sql.substr(0, kHeadMax));
  while (!tokens.empty() && tokens.front().is(';')) tokens.erase(tokens.begin());
  Cursor at(tokens);
  if (at.take("ALTER")) return alter_statement(at);
  TableStatement statement;
  const bool creates = at.take("CREATE");
  if (!creates && !at.take("DROP")) return std::nullopt;
  if (creates) at.take("VIRTUAL");
  if (!at.take("TABLE")) return std::nullopt;
  statement.kind = creates ? TableStatement::Kind::kCreate : TableStatement::Kind::kDrop;
  if (at.take("IF")) {
    at.take("NOT");
    at.take("EXISTS");
  }
  at.object(statement);
  return statement;
}

}  // namespace colony
