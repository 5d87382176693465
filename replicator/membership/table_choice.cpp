#include "replicator/membership/table_choice.h"

#include <algorithm>
#include <map>
#include <set>

#include "replicator/fold/derived_triggers.h"
#include "replicator/store/file_layout.h"
#include "replicator/store/replicated_schema.h"
#include "sqlite_ext/captured_table.h"

namespace colony {
namespace {

// A collation that an index of the table uses and SQLite does not bring along.
std::string foreign_collation(Database& db, const std::string& table) {
  Statement collations(db,
                       "SELECT DISTINCT x.coll FROM pragma_index_list(?1) AS l, pragma_index_xinfo(l.name) AS x "
                       "WHERE x.key AND upper(x.coll) NOT IN ('BINARY', 'NOCASE', 'RTRIM')");
  collations.bind(1, table);
  return collations.step() ? std::string(collations.text(0)) : std::string();
}

std::int64_t rows_with_null_key(Database& db, const ReplicatedTable& table) {
  if (!table.key_allows_null()) return 0;
  return db.query_integer("SELECT count(*) FROM main." + quoted(table.name) + " WHERE NOT(" + table.key_is_whole() +
                          ")");
}

// As the fold has them: with triggers and CHECKs on, those that only the app can run would
// be taken for a need of the table's.
class FoldSettings {
 public:
  explicit FoldSettings(Database& db) : db_(db), checks_ignored_(db.query_integer("PRAGMA ignore_check_constraints")) {
    sqlite3_db_config(db_.handle(), SQLITE_DBCONFIG_ENABLE_TRIGGER, -1, &triggers_enabled_);
    set(0, 1);
  }
  ~FoldSettings() { set(triggers_enabled_, checks_ignored_); }
  FoldSettings(const FoldSettings&) = delete;
  FoldSettings& operator=(const FoldSettings&) = delete;

 private:
  void set(int triggers_enabled, std::int64_t checks_ignored) {
    sqlite3_db_config(db_.handle(), SQLITE_DBCONFIG_ENABLE_TRIGGER, triggers_enabled, nullptr);
    sqlite3_exec(db_.handle(), ("PRAGMA ignore_check_constraints = " + std::to_string(checks_ignored)).c_str(), nullptr,
                 nullptr, nullptr);
  }

  Database& db_;
  int triggers_enabled_ = 1;
  std::int64_t checks_ignored_;
};

// Why rows cannot be written without the app, as indexes or generated columns ask for it.
std::string need_of_the_app(Database& db, const std::string& table) {
  for (const RowEvent event : {RowEvent::kInsert, RowEvent::kUpdate, RowEvent::kDelete}) {
    try {
      const Statement change(db, sample_change(db, table, event));
    } catch (const SqliteError& error) {
      const std::string known = what_only_the_app_has(error.what());
      return known.empty() ? std::string("it cannot be written without the app: ") + sqlite3_errmsg(db.handle())
                           : "it " + known;
    }
  }
  return "";
}

// Why the table cannot be replicated; empty if it can. `may_have_null_keys`: rows that have
// them stay here.
std::string why_not(Database& db, const std::string& name, std::string_view type, bool may_have_null_keys) {
  if (type == "virtual") return "a virtual table";
  if (type == "shadow") return "belongs to a virtual table";
  if (type == "view") return "a view";
  if (name.starts_with("sqlite_")) return "SQLite's own";
  if (is_own_name(name)) return "Colony's own";
  const ReplicatedTable table = read_table(db, name);
  if (std::none_of(table.key.begin(), table.key.end(), [](auto place) { return place != 0; }))
    return "has no PRIMARY KEY";
  if (const std::string collation = foreign_collation(db, name); !collation.empty()) {
    return "an index of it uses the collation " + collation + ", which only the app knows";
  }
  if (const std::string need = need_of_the_app(db, name); !need.empty()) return need;
  const SqliteHost* const host = SqliteHost::get();
  const auto captured = load_captured_table(db.handle(), "main", name);
  if (host != nullptr && host->preupdate_in_storage_order && captured && captured->rowid_key_displaced) {
    return "has a virtual generated column before its INTEGER PRIMARY KEY, which this version of SQLite confuses: "
           "declare the key first";
  }
  if (const std::int64_t rows = may_have_null_keys ? 0 : rows_with_null_key(db, table); rows > 0) {
    return std::to_string(rows) + (rows == 1 ? " row has" : " rows have") + " NULL in the primary key";
  }
  return "";
}

// What hangs on the triggers of all tables.
std::map<std::string, DerivedTables> derived_tables(Database& db) {
  std::vector<std::string> names;
  Statement tables(db, "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'");
  while (tables.step()) names.emplace_back(tables.text(0));
  tables.reset();
  std::map<std::string, DerivedTables> derived = install_derived_triggers(db, names);
  drop_derived_triggers(db);
  return derived;
}

}  // namespace

bool is_pattern(const std::string& word) { return word.find_first_of("*?[") != word.npos; }

TableChoice choose_tables(Database& db, const std::optional<std::vector<std::string>>& only, CaptureMode mode) {
  TableChoice choice;
  std::set<std::string> known;  // with what is in them
  if (has_layout(db)) {
    for (std::string& table : replicated_tables(db)) known.insert(std::move(table));
  }
  const FoldSettings settings(db);
  const std::map<std::string, DerivedTables> derived = derived_tables(db);
  std::set<std::string> wanted, patterns;
  for (const std::string& word : only.value_or(std::vector<std::string>())) {
    (is_pattern(word) ? patterns : wanted).insert(word);
  }
  const auto fits = [&patterns](const std::string& name) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const std::string& pattern) { return sqlite3_strglob(pattern.c_str(), name.c_str()) == 0; });
  };
  Statement tables(db, "SELECT name, type FROM pragma_table_list WHERE schema = 'main' ORDER BY name");
  while (tables.step()) {
    const std::string name(tables.text(0));
    const bool chosen = wanted.erase(name) != 0;
    const bool of_interest = tables.text(1) != "view" && !is_own_name(name) && name != "sqlite_schema";
    if (!chosen && !of_interest) continue;
    std::string why = why_not(db, name, tables.text(1), mode == CaptureMode::kWal || known.contains(name));
    if (const auto of_table = derived.find(name);
        why.empty() && of_table != derived.end() && !of_table->second.trouble.empty()) {
      why = "its " + of_table->second.trouble;
    }
    if (chosen && !why.empty()) throw Error("table " + name + " cannot be replicated: " + why);
    if (!why.empty()) {
      choice.left_out.emplace_back(name, why);
    } else if (only && !chosen && !fits(name)) {
      choice.left_out.emplace_back(name, "not chosen");
    } else {
      const ReplicatedTable table = read_table(db, name);
      choice.replicated.push_back({name, table.rowid_key, table.key_allows_null()});
    }
  }
  if (!wanted.empty()) throw Error("there is no table " + *wanted.begin() + " in " + db.path());
  return choice;
}

}  // namespace colony
