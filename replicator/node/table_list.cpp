#include "replicator/node/table_list.h"

#include <algorithm>
#include <map>
#include <set>

#include "replicator/store/file_layout.h"
#include "sqlite_ext/captured_table.h"

namespace colony {
namespace {

void note_unchecked(Database& db, const std::string& table, const std::string& why) {
  Statement insert(db,
                   "INSERT OR REPLACE INTO __colony_unchecked(name, since, why) VALUES(?1, strftime('%s', 'now') + 0, "
                   "?2)");
  insert.bind(1, table).bind(2, why).run();
}

void forget_unchecked(Database& db, const std::string& table) {
  Statement(db, "DELETE FROM __colony_unchecked WHERE name = ?1").bind(1, table).run();
}

// Tables that are on the list no more.
void strike(Database& db, const std::string& table, const std::set<std::string>& existing,
            std::vector<ChangedTable>& changes) {
  drop_guards(db, table);
  forget_unchecked(db, table);
  changes.push_back({table, existing.contains(table) ? "is replicated no more" : "is gone, and replicated no more"});
}

void write_left_out(Database& db, const TableChoice& choice) {
  db.execute("DELETE FROM __colony_left_out");
  Statement insert(db, "INSERT INTO __colony_left_out(name) VALUES(?1)");
  for (const auto& [table, why] : choice.left_out) insert.bind(1, table).run();
  // A list that was never written says nothing of tables that are not on it.
  db.execute("INSERT OR REPLACE INTO __colony_meta(key, value) VALUES('left_out_known', 1)");
}

std::set<std::string> existing_tables(Database& db) {
  std::set<std::string> names;
  Statement select(db, "SELECT name FROM sqlite_schema WHERE type = 'table'");
  while (select.step()) names.emplace(select.text(0));
  return names;
}

}  // namespace

std::vector<ChangedTable> write_table_list(Database& db, const TableChoice& choice, bool was_enrolled) {
  std::vector<ChangedTable> changes;
  const std::map<std::string, std::string> former = agreed_definitions(db);
  std::map<std::string, std::string> broken;
  for (const ChangedTable& change : find_schema_changes(db).broken) broken[change.table] = change.what;

  std::set<std::string> chosen;
  for (const ChosenTable& table : choice.replicated) chosen.insert(table.name);
  const std::set<std::string> existing = existing_tables(db), guarded = guarded_tables(db);
  for (const auto& [table, definition] : former) {
    if (!chosen.contains(table)) strike(db, table, existing, changes);
  }
  db.execute("DELETE FROM __colony_tables");
  Statement insert(db, "INSERT INTO __colony_tables(name) VALUES(?1)");
  for (const std::string& table : chosen) {
    insert.bind(1, table).run();
    agree_on_definition(db, table);
    guarded.contains(table) ? static_cast<void>(refresh_guards(db, table)) : create_guards(db, table);
    if (const auto change = broken.find(table); change != broken.end()) {
      note_unchecked(db, table, change->second);
      changes.push_back({table, change->second + "; it is accepted as it is now"});
    } else if (was_enrolled && !former.contains(table)) {
      const std::int64_t rows = db.query_integer("SELECT count(*) FROM main." + quoted(table));
      if (rows == 0) continue;
      note_unchecked(db, table, "was taken in with rows from before");
      changes.push_back({table, "is replicated from now on; its " + std::to_string(rows) +
                                    (rows == 1 ? " row" : " rows") + " from before are not sent"});
    }
  }
  write_left_out(db, choice);
  return changes;
}

}  // namespace colony
