#include "replicator/fold/schema_matching.h"

#include "replicator/fold/schema_statements.h"
#include "sqlite_ext/sql_tokens.h"
#include "sqlite_ext/sqlite_host.h"
#include "sqlite_ext/table_definition.h"

namespace colony {
namespace {

using Kind = SchemaChange::Kind;

// What decides a fold, as one CREATE TABLE has it, without what must be unique by indexes.
std::string definition_of(const std::string& create_table) {
  sqlite3* const scratch = SqliteHost::open_scratch();
  std::string definition;
  const std::string sql = with_table_name(create_table, "t");
  if (scratch != nullptr && sqlite3_exec(scratch, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) {
    definition = read_table_definition(scratch, "main", "t").value_or("");
  }
  sqlite3_close(scratch);
  return definition;
}

}  // namespace

bool is_virtual(const std::string& create_table) {
  const std::vector<SqlToken> tokens = sql_tokens(create_table);
  return tokens.size() > 1 && tokens[1].is("VIRTUAL");
}

bool is_same_table(const std::string& a, const std::string& b) {
  if (same_statement(a, b)) return true;
  if (is_virtual(a) || is_virtual(b)) return false;
  const std::string here = definition_of(a);
  return !here.empty() && here == definition_of(b);
}

bool is_made_already(const std::string& present, const std::string& wanted) {
  if (same_statement(present, wanted)) return true;
  if (is_virtual(present) || is_virtual(wanted)) return false;
  const std::string first = definition_of(wanted), here = definition_of(present);
  return !first.empty() && !here.empty() && judge_definition(first, here).change != DefinitionChange::kOther;
}

bool was_made_meanwhile(const SchemaHistory& history, const SchemaChange& create) {
  for (std::size_t i = history.known; i < history.layouts.size(); ++i) {
    const SchemaChange& later = history.layouts.change(i);
    if (folded_name(later.name) != folded_name(create.name)) continue;
    const bool is_moved = later.kind == Kind::kRenameTable || later.kind == Kind::kRemake;
    if (is_moved && is_made_already(later.former, create.sql)) return true;
    if (later.kind == Kind::kDrop && is_made_already(later.sql, create.sql)) return true;
  }
  return false;
}

bool was_dropped_meanwhile(const SchemaHistory& history, const std::string& table) {
  for (std::size_t i = history.known; i < history.layouts.size(); ++i) {
    const SchemaChange& later = history.layouts.change(i);
    if (later.kind == Kind::kDrop && folded_name(later.name) == folded_name(table)) return true;
  }
  return false;
}

bool was_remade(const LayoutHistory& layouts, const SchemaChange& remake) {
  for (std::size_t i = 0; i < layouts.size(); ++i) {
    const SchemaChange& before = layouts.change(i);
    if (before.kind == Kind::kRemake && before.name == remake.name && before.sql == remake.sql &&
        before.former == remake.former) {
      return true;
    }
  }
  return false;
}

bool was_renamed_meanwhile(const SchemaHistory& history, const SchemaChange& added) {
  for (std::size_t i = history.known; i < history.layouts.size(); ++i) {
    const SchemaChange& later = history.layouts.change(i);
    if (later.kind == Kind::kRenameColumn && folded_name(later.name) == folded_name(added.name) &&
        folded_name(later.column) == folded_name(added.column)) {
      return true;
    }
  }
  return false;
}

}  // namespace colony
