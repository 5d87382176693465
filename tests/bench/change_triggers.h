// What one does without Colony to have an app's changes noted: AFTER triggers in
// plain SQL. Two kinds are usual:
//
//  - row copies, as replicators do it that ship what the triggers wrote: per table a
//    log with the columns of the table, which rows are still to be shipped found by
//    an index, and one log of all tables for the order. The copies are of the new
//    row, or of the deleted one; a flag keeps what the replicator itself writes from
//    being noted again.
//  - one log with the old and the new row as JSON, as audit trails do it.
//
// Ids are AUTOINCREMENT: who empties a log must not see its numbers again.
#pragma once

#include <string>

#include "tests/bench/workload.h"

namespace colony::bench {

std::string row_copy_triggers(const TableKind& kind);
std::string empty_row_copies(const TableKind& kind);

std::string json_triggers(const TableKind& kind);
inline constexpr const char* kEmptyJsonLog = "DELETE FROM change_log";

}  // namespace colony::bench
