// Tables that a node derives for itself, such as an FTS5 index kept by triggers.
//
// The fold fires no triggers: what they did at the origin is in the changeset.
// But virtual tables are not replicated, so triggers that only feed those must
// run wherever rows change, or the index of every other node goes stale and
// breaks. SQLite lets TEMP triggers run where ordinary ones are switched off: the
// fold's connection gets a TEMP copy of just these.
#pragma once

#include <string>
#include <vector>

#include "replicator/store/sqlite.h"

namespace colony {

// Makes the copies anew for the triggers of `tables`.
void install_derived_triggers(Database& db, const std::vector<std::string>& tables);

// The statement that makes `create_trigger` (as sqlite_schema has it) a TEMP
// trigger of another name.
std::string as_temp_trigger(std::string_view create_trigger, const std::string& name);

}  // namespace colony
