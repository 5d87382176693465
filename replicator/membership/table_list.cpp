#include "replicator/membership/table_list.h"

#include <algorithm>
#include <map>
#include <set>

#include "replicator/membership/outbox_fit.h"
#include "replicator/store/file_layout.h"
#include "replicator/store/node_file.h"
#include "sqlite_ext/captured_table.h"

namespace colony {
namespace {

void forget_unchecked(Database& db, const std::string& table) {
  Statement(db, "DELETE FROM __colony_unchecked WHERE name = ?1").bind(1, table).run();
}

// Tables that are on the list no more.
void strike(Database& db, const std::string& table, const std::map<std::string, ChangedTable>& broken,
            std::vector<ChangedTable>& changes) {
  drop_guards(db, table);
  forget_unchecked(db, table);
  const auto change = broken.find(table);
  changes.push_back({table, (change == broken.end() ? "" : change->second.what + "; it ") + "is replicated no more"});
}

void write_left_out(Database& db, const TableChoice& choice) {
  db.execute("DELETE FROM __colony_left_out");
  Statement insert(db, "INSERT INTO __colony_left_out(name) VALUES(?1)");
  for (const auto& [table, why] : choice.left_out) insert.bind(1, table).run();
  // A list that was never written says nothing of tables that are not on it.
  db.execute("INSERT OR REPLACE INTO __colony_meta(key, value) VALUES('left_out_known', 1)");
}

// Transactions that were made of the tables as they were, and could be applied nowhere any more.
void check_outbox(Database& db) {
  NodeFile file(db);
  ReplicatedSchema schema;
  schema.load(db);
  const UnfitTransactions unfit = find_unfit_transactions(file, schema);
  if (unfit.count == 0) return;
  throw Error((unfit.count == 1 ? "a transaction waits" : std::to_string(unfit.count) + " transactions wait") +
              " to be sent that changed table " + unfit.table +
              " as it was: take the change of that table back, let colony run send what waits (colony wait), and then "
              "change it on every node");
}

// Whether its rows are, or will be, compared with the colony's anyway: when it joins.
bool joins_yet(Database& db) { return NodeFile(db).epoch().empty(); }

}  // namespace

void note_unchecked(Database& db, const std::string& table, const std::string& why) {
  Statement insert(
      db, "INSERT OR REPLACE INTO __colony_unchecked(name, since, why) VALUES(?1, strftime('%s', 'now') + 0, ?2)");
  insert.bind(1, table).bind(2, why).run();
}

std::vector<ChangedTable> write_table_list(Database& db, const TableChoice& choice,
                                           const std::vector<ChangedTable>& broken_tables) {
  std::vector<ChangedTable> changes;
  const std::map<std::string, std::string> former = agreed_definitions(db);
  std::map<std::string, ChangedTable> broken;
  for (const ChangedTable& change : broken_tables) broken.emplace(change.table, change);
  const std::vector<std::string> more_columns = find_schema_changes(db).extended;
  const std::set<std::string> extended(more_columns.begin(), more_columns.end());
  const std::set<std::string> guarded = guarded_tables(db);
  const bool is_compared = joins_yet(db);

  std::set<std::string> chosen;
  for (const ChosenTable& table : choice.replicated) chosen.insert(table.name);
  bool struck = false;
  for (const auto& [table, definition] : former) {
    if (chosen.contains(table)) continue;
    strike(db, table, broken, changes);
    struck = true;
  }
  db.execute("DELETE FROM __colony_tables");
  Statement insert(db, "INSERT INTO __colony_tables(name) VALUES(?1)");
  for (const std::string& table : chosen) {
    insert.bind(1, table).run();
    const auto change = broken.find(table);
    if (!guarded.contains(table)) {
      create_guards(db, table);
    } else if (change != broken.end() || extended.contains(table) || !former.contains(table)) {
      refresh_guards(db, table);
    }
    if (change != broken.end()) {
      if (!is_compared) note_unchecked(db, table, change->second.what);
      changes.push_back({table, change->second.what + "; it is accepted as it is now"});
    } else if (!is_compared && !former.contains(table)) {
      const std::int64_t rows = db.query_integer("SELECT count(*) FROM main." + quoted(table));
      if (rows == 0) continue;
      note_unchecked(db, table, "was taken in with rows from before");
      changes.push_back({table, "is replicated from now on; its " + std::to_string(rows) +
                                    (rows == 1 ? " row from before is" : " rows from before are") + " not sent"});
    }
  }
  agree_on_definitions(db);
  write_left_out(db, choice);
  if (struck || !broken.empty()) check_outbox(db);
  return changes;
}

}  // namespace colony
