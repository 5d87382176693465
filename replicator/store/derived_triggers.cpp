#include "replicator/store/derived_triggers.h"

#include <algorithm>
#include <map>
#include <set>

#include "replicator/store/file_layout.h"
#include "sqlite_ext/captured_table.h"

namespace colony {
namespace {

constexpr const char* kTempPrefix = "__colony_derived_";

// What each trigger writes when the statements compiled meanwhile run, as SQLite's
// authorizer tells it.
class TriggerWrites {
 public:
  explicit TriggerWrites(Database& db) : db_(db) {
    sqlite3_set_authorizer(db_.handle(), &TriggerWrites::authorize, this);
  }
  ~TriggerWrites() { sqlite3_set_authorizer(db_.handle(), nullptr, nullptr); }
  TriggerWrites(const TriggerWrites&) = delete;
  TriggerWrites& operator=(const TriggerWrites&) = delete;

  void compile(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    sqlite3_prepare_v2(db_.handle(), sql.c_str(), -1, &statement, nullptr);
    sqlite3_finalize(statement);
  }
  const std::map<std::string, std::set<std::string>>& by_trigger() const { return by_trigger_; }

 private:
  static int authorize(void* context, int action, const char* table, const char*, const char*, const char* trigger) {
    const bool writes = action == SQLITE_INSERT || action == SQLITE_UPDATE || action == SQLITE_DELETE;
    if (writes && table != nullptr && trigger != nullptr) {
      static_cast<TriggerWrites*>(context)->by_trigger_[trigger].insert(table);
    }
    return SQLITE_OK;
  }

  Database& db_;
  std::map<std::string, std::set<std::string>> by_trigger_;
};

struct Trigger {
  std::string name;
  std::string sql;
};

std::vector<Trigger> app_triggers(Database& db, const std::string& table) {
  std::vector<Trigger> triggers;
  Statement select(db, "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 ORDER BY rowid");
  select.bind(1, table);
  while (select.step()) {
    if (!is_own_name(select.text(0))) triggers.push_back({std::string(select.text(0)), std::string(select.text(1))});
  }
  return triggers;
}

std::set<std::string> virtual_tables(Database& db) {
  std::set<std::string> names;
  Statement select(db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE 'create virtual%'");
  while (select.step()) names.emplace(select.text(0));
  return names;
}

void drop_copies(Database& db) {
  std::string drop;
  Statement select(db, "SELECT name FROM temp.sqlite_schema WHERE type = 'trigger'");
  while (select.step()) drop += "DROP TRIGGER temp." + quoted(std::string(select.text(0))) + ";";
  select.reset();
  db.execute(drop);
}

}  // namespace

std::string as_temp_trigger(std::string_view create_trigger, const std::string& name) {
  // SQLite keeps the text as `CREATE TRIGGER name ...`, whatever was typed before
  // the name; the name is a word, or quoted in one of four ways.
  constexpr std::string_view kHead = "CREATE TRIGGER ";
  if (!create_trigger.starts_with(kHead)) throw Error("a trigger's definition does not begin as expected");
  std::string_view rest = create_trigger.substr(kHead.size());
  std::size_t end = 0;
  if (!rest.empty() && std::string_view("\"'`[").find(rest.front()) != std::string_view::npos) {
    const char close = rest.front() == '[' ? ']' : rest.front();
    for (end = 1; end < rest.size(); ++end) {
      if (rest[end] != close) continue;
      if (close == ']' || end + 1 >= rest.size() || rest[end + 1] != close) break;
      ++end;  // a doubled quote
    }
    ++end;
  } else {
    end = rest.find_first_of(" \t\r\n\f");
  }
  if (end >= rest.size()) throw Error("a trigger's definition does not begin as expected");
  return "CREATE TEMP TRIGGER " + quoted(name) + std::string(rest.substr(end));
}

void install_derived_triggers(Database& db, const std::vector<std::string>& tables) {
  drop_copies(db);
  const std::set<std::string> derived = virtual_tables(db);
  if (derived.size() <= 1) return;  // the capture's own is always there

  std::vector<Trigger> candidates;
  for (const std::string& table : tables) {
    for (Trigger& trigger : app_triggers(db, table)) candidates.push_back(std::move(trigger));
  }
  // A copy shows what it writes when a statement that fires it is compiled; the
  // tables behind a virtual table are its own affair.
  for (const Trigger& trigger : candidates) {
    const std::string copy = kTempPrefix + trigger.name;
    db.execute(as_temp_trigger(trigger.sql, copy));
  }
  std::map<std::string, std::set<std::string>> writes;
  {
    TriggerWrites observed(db);
    for (const std::string& table : tables) {
      std::string columns;
      Statement info(db, "SELECT name FROM pragma_table_info(?1)");
      info.bind(1, table);
      while (info.step()) {
        columns += (columns.empty() ? "" : ", ") + quoted(std::string(info.text(0))) + " = NULL";
      }
      observed.compile("INSERT INTO main." + quoted(table) + " DEFAULT VALUES");
      observed.compile("UPDATE main." + quoted(table) + " SET " + columns);
      observed.compile("DELETE FROM main." + quoted(table));
    }
    writes = observed.by_trigger();
  }
  for (const Trigger& trigger : candidates) {
    const std::string copy = kTempPrefix + trigger.name;
    const auto written = writes.find(copy);
    const bool only_derived =
        written != writes.end() && std::all_of(written->second.begin(), written->second.end(),
                                               [&](const std::string& table) { return derived.count(table) != 0; });
    if (!only_derived) db.execute("DROP TRIGGER temp." + quoted(copy));
  }
}

}  // namespace colony
