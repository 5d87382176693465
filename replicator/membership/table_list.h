// The list of a file's replicated tables, as `colony init` writes it: with the definitions
// on which the nodes agree from then on, and the guards.
//
// What init accepts without having seen it made, tables that were changed and rows that
// were there before, may differ from the other nodes' already. Such tables are noted in
// __colony_unchecked until they have been compared with the others.
//
// In the caller's write transaction. Threads: one. Errors: SqliteError, RecordError; Error
// where transactions wait to be sent that do not fit the new list.
#pragma once

#include <string>
#include <vector>

#include "replicator/membership/table_choice.h"
#include "replicator/store/schema_agreement.h"

namespace colony {

// Writes the list. Gives what people should know of tables that were on the list before,
// or are new on that of a file that has met its colony: to be put after the table's name.
// `broken`: what had happened to the tables, under the guards that they had.
std::vector<ChangedTable> write_table_list(Database& db, const TableChoice& choice,
                                           const std::vector<ChangedTable>& broken);

// Until it is compared; `why` goes on after the table's name.
void note_unchecked(Database& db, const std::string& table, const std::string& why);

}  // namespace colony
