#include "replicator/store/schema_agreement.h"

#include <map>
#include <optional>
#include <set>

#include "replicator/store/file_layout.h"
#include "sqlite_ext/table_definition.h"

namespace colony {
namespace {

std::string change_of(Database& db, const std::string& table, const std::string& agreed,
                      const std::set<std::string>& guarded, SchemaFindings& findings) {
  const std::optional<std::string> now = read_table_definition(db.handle(), "main", table);
  if (!now) return "is gone: it was dropped or renamed";
  // A file of an older format that has lost the table meanwhile knows no definition.
  const DefinitionVerdict verdict = agreed.empty() ? DefinitionVerdict() : judge_definition(agreed, *now);
  if (verdict.change == DefinitionChange::kOther) return "has changed: " + verdict.what;
  if (!guarded.contains(table)) return "was made anew, and what was written to it since is not captured";
  if (verdict.change == DefinitionChange::kExtended) findings.extended.push_back(table);
  return "";
}

}  // namespace

SchemaFindings find_schema_changes(Database& db) {
  std::optional<ReadTransaction> reading;
  if (!db.in_transaction()) reading.emplace(db);
  SchemaFindings findings;
  const std::set<std::string> guarded = guarded_tables(db);
  for (const auto& [table, agreed] : agreed_definitions(db)) {
    const std::string what = change_of(db, table, agreed, guarded, findings);
    if (!what.empty()) findings.broken.push_back({table, what});
  }
  return findings;
}

std::string advice_on(const std::vector<ChangedTable>& broken) {
  std::string text = "table " + broken.front().table + " " + broken.front().what;
  if (broken.size() == 2) text += " (and table " + broken[1].table + " " + broken[1].what + ")";
  if (broken.size() > 2) text += " (and " + std::to_string(broken.size() - 1) + " more tables have changed)";
  return text +
         ". The nodes would come to differ: stop the programs that write, make the same change on every node, and run "
         "colony init again on each; or take it back. See Schema changes in docs/operations.md";
}

void agree_on_extensions(Database& db, const std::vector<std::string>& tables) {
  for (const std::string& table : tables) {
    agree_on_definition(db, table);
    refresh_guards(db, table);
  }
}

}  // namespace colony
