// What a node knows of its pending transactions, made to fit rows that were repaired.
#pragma once

#include <set>
#include <string>

#include "replicator/store/node_file.h"

namespace colony {

// Makes the effects of the pending transactions of `file`, and their conflicts, those that
// `expected` has of the same transactions; of these tables only, as the rows of all others
// are what they were. Within a write transaction of `db`, which is that of `file`.
void repair_pending(Database& db, NodeFile& file, Database& expected_db, NodeFile& expected,
                    const std::set<std::string>& tables);

}  // namespace colony
