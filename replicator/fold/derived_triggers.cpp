#include "replicator/fold/derived_triggers.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

#include "replicator/fold/trigger_text.h"
#include "replicator/store/file_layout.h"
#include "sqlite_ext/captured_table.h"

namespace colony {
namespace {

constexpr std::string_view kTempPrefix = "__colony_derived_";

struct AppTrigger {
  std::string name;
  std::string table;                       // or view
  std::unique_ptr<const std::string> sql;  // what `text` has its views into
  std::optional<TriggerText> text;         // nothing if it cannot be taken apart
  std::set<std::string> fed;               // virtual tables that it writes
  std::set<std::string> others;            // what else it writes, folded
};

std::set<std::string> virtual_tables(Database& db) {
  std::set<std::string> names;
  Statement select(db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE 'create virtual%'");
  while (select.step()) {
    if (!is_own_name(select.text(0))) names.insert(folded_name(select.text(0)));
  }
  return names;
}

// Which virtual tables it writes; if it cannot be taken apart: which it mentions.
void look_for_writes(AppTrigger& trigger, const std::set<std::string>& virtual_tables) {
  try {
    trigger.text = take_trigger_apart(*trigger.sql);
  } catch (const Error&) {
    for (const SqlToken& token : sql_tokens(*trigger.sql)) {
      if (virtual_tables.contains(folded_name(token.name()))) trigger.fed.insert(token.name());
    }
    return;
  }
  for (const TriggerStatement& statement : trigger.text->statements) {
    if (!statement.writes) continue;
    const std::string target = folded_name(statement.target);
    virtual_tables.contains(target) ? trigger.fed.insert(statement.target) : trigger.others.insert(target);
  }
}

std::vector<AppTrigger> app_triggers(Database& db, const std::set<std::string>& virtual_tables) {
  std::vector<AppTrigger> triggers;
  Statement select(db, "SELECT name, tbl_name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid");
  while (select.step()) {
    if (is_own_name(select.text(0))) continue;
    AppTrigger trigger{std::string(select.text(0)),
                       std::string(select.text(1)),
                       std::make_unique<const std::string>(select.text(2)),
                       {},
                       {},
                       {}};
    look_for_writes(trigger, virtual_tables);
    triggers.push_back(std::move(trigger));
  }
  return triggers;
}

bool is_of_view(const AppTrigger& trigger) {
  return trigger.text && trigger.text->timing == TriggerText::Timing::kInsteadOf;
}

// Views whose INSTEAD OF triggers feed virtual tables, perhaps by way of another view;
// per folded name which ones.
std::map<std::string, std::set<std::string>> feeding_views(const std::vector<AppTrigger>& triggers) {
  std::map<std::string, std::set<std::string>> feeding;
  for (bool grows = true; grows;) {
    grows = false;
    for (const AppTrigger& trigger : triggers) {
      if (!is_of_view(trigger)) continue;
      std::set<std::string> fed = trigger.fed;
      for (const std::string& other : trigger.others) {
        if (const auto view = feeding.find(other); view != feeding.end())
          fed.insert(view->second.begin(), view->second.end());
      }
      if (fed.empty()) continue;
      std::set<std::string>& known = feeding[folded_name(trigger.table)];
      const std::size_t before = known.size();
      known.insert(fed.begin(), fed.end());
      grows |= known.size() > before;
    }
  }
  return feeding;
}

std::string feeds(const AppTrigger& trigger) {
  return "trigger " + trigger.name + " feeds the virtual table " + *trigger.fed.begin() + " and ";
}

// RAISE(IGNORE) ends the trigger, and with it what it does to the row that fired it. For
// a BEFORE trigger the origin has shipped only rows for which it was not met.
bool may_end_early(const TriggerStatement& statement) {
  return !statement.writes && statement.uses_word("RAISE") && statement.uses_word("IGNORE");
}

bool asks_what_was_inserted(const TriggerStatement& statement) {
  return statement.uses_word("LAST_INSERT_ROWID") || statement.uses_word("CHANGES") ||
         statement.uses_word("TOTAL_CHANGES");
}

// The statements of a copy; in `trouble` why there can be none.
std::vector<const TriggerStatement*> kept_statements(const AppTrigger& trigger, std::string& trouble) {
  std::vector<const TriggerStatement*> kept;
  bool left_out_a_write = false;
  for (const TriggerStatement& statement : trigger.text->statements) {
    const bool feeds_virtual = statement.writes && trigger.fed.contains(statement.target);
    if (feeds_virtual) {
      if (statement.uses_word("RAISE")) trouble = feeds(trigger) + "uses RAISE() there";
      if (left_out_a_write && asks_what_was_inserted(statement)) {
        trouble = feeds(trigger) + "asks there what another statement of it has inserted or changed";
      }
      kept.push_back(&statement);
    } else if (may_end_early(statement) && trigger.text->timing == TriggerText::Timing::kAfter) {
      if (trigger.text->event == RowEvent::kDelete) trouble = feeds(trigger) + "uses RAISE(IGNORE) after a DELETE";
      kept.push_back(&statement);
    }
    left_out_a_write |= statement.writes && !feeds_virtual;
  }
  return kept;
}

// Compiles statements and notes what the triggers that they fire write, as SQLite's
// authorizer tells it.
class Compiler {
 public:
  explicit Compiler(Database& db) : db_(db) { sqlite3_set_authorizer(db_.handle(), &Compiler::authorize, this); }
  ~Compiler() { sqlite3_set_authorizer(db_.handle(), nullptr, nullptr); }
  Compiler(const Compiler&) = delete;
  Compiler& operator=(const Compiler&) = delete;

  // Its error, or nothing.
  std::string error_of(const std::string& sql) {
    writes_.clear();
    sqlite3_stmt* statement = nullptr;
    const int rc = sqlite3_prepare_v2(db_.handle(), sql.c_str(), -1, &statement, nullptr);
    sqlite3_finalize(statement);
    return rc == SQLITE_OK ? std::string() : sqlite3_errmsg(db_.handle());
  }
  // What that trigger writes in the statement compiled last.
  const std::set<std::string>& writes_of(const std::string& trigger) { return writes_[trigger]; }

 private:
  static int authorize(void* context, int action, const char* table, const char*, const char*, const char* trigger) {
    const bool writes = action == SQLITE_INSERT || action == SQLITE_UPDATE || action == SQLITE_DELETE;
    if (writes && table != nullptr && trigger != nullptr) {
      static_cast<Compiler*>(context)->writes_[trigger].insert(folded_name(table));
    }
    return SQLITE_OK;
  }

  Database& db_;
  std::map<std::string, std::set<std::string>> writes_;
};

// Makes copies of triggers, those that work.
class Copier {
 public:
  Copier(Database& db, const std::set<std::string>& virtual_tables) : db_(db), virtual_tables_(virtual_tables) {}

  // Why there can be no copy; empty if there is one now.
  std::string copy(const AppTrigger& trigger, const std::string& table) {
    if (!trigger.text) return feeds(trigger) + "cannot be taken apart";
    std::string trouble;
    const std::vector<const TriggerStatement*> kept = kept_statements(trigger, trouble);
    if (!trouble.empty()) return trouble;
    const std::string firing = sample_change(db_, table, trigger.text->event);
    // What is wrong with the table itself is not the trigger's, and shows when rows change.
    const bool sound_without = Compiler(db_).error_of(firing).empty();
    const std::string name = std::string(kTempPrefix) + trigger.name;
    try {
      db_.execute(trigger.text->temp_copy(name, kept));
    } catch (const SqliteError&) {
      return feeds(trigger) + "cannot be compiled: " + sqlite3_errmsg(db_.handle());
    }
    if (sound_without) trouble = trouble_with(trigger, name, firing);
    if (!trouble.empty()) db_.execute("DROP TRIGGER temp." + quoted(name));
    return trouble;
  }

 private:
  std::string trouble_with(const AppTrigger& trigger, const std::string& copy, const std::string& firing) {
    Compiler compiler(db_);
    if (const std::string error = compiler.error_of(firing); !error.empty()) {
      const std::string known = what_only_the_app_has(error);
      return feeds(trigger) + (known.empty() ? "cannot be compiled: " + error : known);
    }
    const std::set<std::string>& written = compiler.writes_of(copy);
    const bool writes_derived_only =
        std::includes(virtual_tables_.begin(), virtual_tables_.end(), written.begin(), written.end());
    return writes_derived_only ? "" : feeds(trigger) + "cannot be taken apart";
  }

  Database& db_;
  const std::set<std::string>& virtual_tables_;
};

// What the views that `trigger` writes make of it.
std::string trouble_with_views(const AppTrigger& trigger, const std::map<std::string, std::set<std::string>>& views) {
  for (const std::string& other : trigger.others) {
    if (const auto view = views.find(other); view != views.end()) {
      return "trigger " + trigger.name + " feeds the virtual table " + *view->second.begin() + " by way of the view " +
             other + ", whose triggers run with the app only";
    }
  }
  return "";
}

bool is_plain_name(const std::string& name) {
  const std::vector<SqlToken> tokens = sql_tokens(name);
  return tokens.size() == 1 && tokens.front().kind == SqlToken::Kind::kWord && tokens.front().text == name;
}

}  // namespace

std::map<std::string, DerivedTables> install_derived_triggers(Database& db, const std::vector<std::string>& tables) {
  drop_derived_triggers(db);
  std::map<std::string, DerivedTables> derived;
  const std::set<std::string> virtuals = virtual_tables(db);
  if (virtuals.empty()) return derived;

  const std::vector<AppTrigger> triggers = app_triggers(db, virtuals);
  const std::map<std::string, std::set<std::string>> views = feeding_views(triggers);
  std::map<std::string, std::string> table_by_folded_name;
  for (const std::string& table : tables) table_by_folded_name[folded_name(table)] = table;
  const auto note = [&](const std::string& table, const std::set<std::string>& fed, const std::string& trouble) {
    DerivedTables& of_table = derived[table];
    of_table.fed.insert(fed.begin(), fed.end());
    if (of_table.trouble.empty()) of_table.trouble = trouble;
  };

  Copier copier(db, virtuals);
  for (const AppTrigger& trigger : triggers) {
    if (is_of_view(trigger)) {
      const auto view = views.find(folded_name(trigger.table));
      if (view == views.end() || (trigger.fed.empty() && trouble_with_views(trigger, views).empty())) continue;
      for (const std::string& other : trigger.others) {
        const auto table = table_by_folded_name.find(other);
        if (table == table_by_folded_name.end()) continue;
        note(table->second, view->second,
             "view " + trigger.table + " has the trigger " + trigger.name +
                 ", which writes the table and feeds the virtual table " + *view->second.begin() +
                 " in one: only a trigger of the table itself can run on other nodes");
      }
      continue;
    }
    const auto table = table_by_folded_name.find(folded_name(trigger.table));
    if (table == table_by_folded_name.end()) continue;
    if (!trigger.fed.empty()) note(table->second, trigger.fed, copier.copy(trigger, table->second));
    if (const std::string trouble = trouble_with_views(trigger, views); !trouble.empty())
      note(table->second, {}, trouble);
  }
  return derived;
}

std::string sample_change(Database& db, const std::string& table, RowEvent event) {
  if (event == RowEvent::kDelete) return "DELETE FROM main." + quoted(table);
  std::string names, values, assignments;
  Statement info(db, "SELECT name FROM pragma_table_info(?1)");
  info.bind(1, table);
  while (info.step()) {
    const std::string name = quoted(std::string(info.text(0)));
    names += (names.empty() ? "" : ", ") + name;
    values += values.empty() ? "NULL" : ", NULL";
    assignments += (assignments.empty() ? "" : ", ") + name + " = NULL";
  }
  if (event == RowEvent::kUpdate) return "UPDATE main." + quoted(table) + " SET " + assignments;
  return "INSERT INTO main." + quoted(table) + "(" + names + ") VALUES(" + values + ")";
}

void drop_derived_triggers(Database& db) {
  std::string drop;
  Statement select(db, "SELECT name FROM temp.sqlite_schema WHERE type = 'trigger' AND substr(name, 1, 17) = ?1");
  select.bind(1, kTempPrefix);
  while (select.step()) drop += "DROP TRIGGER temp." + quoted(std::string(select.text(0))) + ";";
  select.reset();
  db.execute(drop);
}

std::string what_only_the_app_has(const std::string& error) {
  struct Kind {
    std::string_view message, what, after;
  };
  constexpr std::array<Kind, 4> kKinds = {{{"no such function: ", "function ", "()"},
                                           {"unknown function: ", "function ", ""},  // it brings its own parentheses
                                           {"no such collation sequence: ", "collation ", ""},
                                           {"no such module: ", "module ", ""}}};
  for (const Kind& kind : kKinds) {
    const std::size_t at = error.find(kind.message);
    if (at == std::string::npos) continue;
    return "uses the " + std::string(kind.what) + error.substr(at + kind.message.size()) + std::string(kind.after) +
           ", which only the app has";
  }
  return "";
}

std::string how_to_rebuild(Database& db, const std::string& virtual_table) {
  const std::string name = is_plain_name(virtual_table) ? virtual_table : quoted(virtual_table);
  Statement select(db, "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE");
  select.bind(1, virtual_table);
  const std::string sql = select.step() ? std::string(select.text(0)) : std::string();
  const std::vector<SqlToken> tokens = sql_tokens(sql);
  bool full_text = false, contentless = false;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0 && tokens[i - 1].is("USING")) full_text = folded_name(tokens[i].name()).starts_with("fts");
    contentless |=
        tokens[i].is("CONTENT") && i + 2 < tokens.size() && tokens[i + 1].is('=') && tokens[i + 2].name().empty();
  }
  if (full_text && !contentless) return "rebuild it with INSERT INTO " + name + "(" + name + ") VALUES('rebuild')";
  return "drop the virtual table " + virtual_table + ", create it again and fill it from the rows";
}

}  // namespace colony
