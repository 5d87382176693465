#include "replicator/store/schema_agreement.h"

#include <map>
#include <optional>

#include "replicator/store/file_layout.h"
#include "sqlite_ext/guard_index.h"
#include "sqlite_ext/guard_triggers.h"
#include "sqlite_ext/table_definition.h"

namespace colony {
namespace {

// What `colony init` has put on one table, in session mode.
struct Guards {
  int triggers = 0;
  std::string index_sql;
};

struct AllGuards {
  std::map<std::string, Guards> by_table;
  std::map<std::string, std::string> new_names;  // of tables that took their guards along
};

// Of all tables at once: sqlite_schema has no index.
AllGuards read_guards(Database& db) {
  constexpr std::string_view kInsert = "__colony_insert_";
  AllGuards guards;
  Statement own(db,
                "SELECT tbl_name, type, name, sql FROM sqlite_schema WHERE type IN ('trigger', 'index') AND "
                "substr(name, 1, 9) = '__colony_'");
  while (own.step()) {
    const std::string table(own.text(0)), name(own.text(2));
    if (own.text(1) == "index") {
      if (name == guard_index_name(table)) guards.by_table[table].index_sql = own.text(3);
    } else if (is_guard_trigger(name, table)) {
      ++guards.by_table[table].triggers;
    } else if (name.starts_with(kInsert)) {
      guards.new_names[name.substr(kInsert.size())] = table;
    }
  }
  return guards;
}

class Comparison {
 public:
  explicit Comparison(Database& db)
      : db_(db),
        definitions_(db.handle(), "main"),
        guards_(read_guards(db)),
        is_guarded_(is_guarded(db)),
        by_index_(is_guarded_ && chosen_guard_kind(db) == GuardKind::kIndex) {}

  void look_at(const std::string& table, const std::string& agreed, SchemaFindings& findings) {
    const std::optional<std::string> now = definitions_.read(table);
    if (!now) return look_for(table, findings);
    // A file of an older format that has lost the table meanwhile knows no definition.
    const std::string differences = agreed.empty() ? "" : joined(definition_differences(agreed, *now));
    const Guards& guards = guards_.by_table[table];
    if (is_guarded_ && (guards.triggers != kGuardTriggers || (by_index_ && guards.index_sql.empty()))) {
      findings.broken.push_back({table, lost(guards, differences)});
    } else if (!differences.empty() && judge_definition(agreed, *now).change == DefinitionChange::kOther) {
      findings.broken.push_back({table, "has changed: " + differences});
    } else if (!differences.empty() || (is_guarded_ && guards.index_sql != wanted_index(table))) {
      findings.extended.push_back(table);
    }
  }

 private:
  void look_for(const std::string& table, SchemaFindings& findings) const {
    const auto renamed = guards_.new_names.find(table);
    if (renamed == guards_.new_names.end()) {
      findings.broken.push_back({table, "is gone: it was dropped"});
    } else {
      findings.broken.push_back({table, "is gone: it was renamed to " + renamed->second, renamed->second});
    }
  }

  static std::string lost(const Guards& guards, const std::string& differences) {
    const bool lost_all = guards.triggers == 0 && guards.index_sql.empty();
    return (lost_all ? "was made anew" : "has lost some of what Colony had put on it (named __colony_*)") +
           (differences.empty() ? std::string() : " (" + differences + ")") +
           ", and what was written to it since is not captured";
  }

  std::string wanted_index(const std::string& table) const {
    return by_index_ ? guard_index_sql(db_.handle(), "main", table) : std::string();
  }

  static std::string joined(const std::vector<std::string>& texts) {
    std::string all;
    for (const std::string& text : texts) all += (all.empty() ? "" : ", ") + text;
    return all;
  }

  Database& db_;
  DefinitionReader definitions_;
  AllGuards guards_;
  bool is_guarded_;
  bool by_index_;
};

}  // namespace

SchemaFindings find_schema_changes(Database& db) {
  std::optional<ReadTransaction> reading;
  if (!db.in_transaction()) reading.emplace(db);
  SchemaFindings findings;
  Comparison comparison(db);
  for (const auto& [table, agreed] : agreed_definitions(db)) comparison.look_at(table, agreed, findings);
  return findings;
}

std::map<std::string, std::string> gone_tables(Database& db) {
  std::map<std::string, std::string> gone;
  const AllGuards guards = read_guards(db);
  const DefinitionReader definitions(db.handle(), "main");
  for (const std::string& table : replicated_tables(db)) {
    if (definitions.has(table)) continue;
    const auto renamed = guards.new_names.find(table);
    gone[table] = renamed == guards.new_names.end() ? "" : renamed->second;
  }
  return gone;
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

bool SchemaWatch::is_agreed() {
  const std::int64_t version = db_.query_integer("PRAGMA schema_version");
  if (version != looked_at_ || !agreed_) {
    agreed_ = find_schema_changes(db_).broken.empty();
    looked_at_ = version;
  }
  return agreed_;
}

}  // namespace colony
