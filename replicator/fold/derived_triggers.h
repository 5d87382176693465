// Tables that a node derives for itself, such as an FTS5 index kept by triggers.
//
// The fold fires no triggers: what they did at the origin is in the changeset.
// But virtual tables are not replicated, so what triggers do to those must be done
// wherever rows change, or the index of every other node goes stale and breaks. SQLite
// lets TEMP triggers run where ordinary ones are switched off: the fold's connection
// gets a TEMP copy of each trigger that feeds a virtual table, with the statements
// that do so and no others.
//
// Some cannot be run without the app: those that use a function of its own, say. `colony
// init` leaves their tables out; if one comes later, the fold refuses the changes of its table.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "replicator/fold/trigger_text.h"
#include "replicator/store/sqlite.h"

namespace colony {

// What hangs on one table's triggers.
struct DerivedTables {
  std::set<std::string> fed;  // virtual tables
  // Why rows of the table cannot be changed without the app, as in `its trigger ...`; empty if they can.
  std::string trouble;
};

// Makes the copies anew, for the triggers of `tables`, and tells of those tables that
// feed something. The connection must have ordinary triggers switched off.
std::map<std::string, DerivedTables> install_derived_triggers(Database& db, const std::vector<std::string>& tables);

// A statement that changes all columns of a row, as the fold does: it fires all triggers of
// that event, and shows by its compiler's errors what the table needs.
std::string sample_change(Database& db, const std::string& table, RowEvent event);

// Drops the copies.
void drop_derived_triggers(Database& db);

// What an error of the compiler's says of what only the app knows: "uses the function
// f(), which only the app has"; empty if it says nothing of the kind.
std::string what_only_the_app_has(const std::string& error);

// How to make a virtual table right again whose content has gone wrong.
std::string how_to_rebuild(Database& db, const std::string& virtual_table);

}  // namespace colony
