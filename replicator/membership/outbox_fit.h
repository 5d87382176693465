// Whether what waits to be sent still speaks of the tables as they are.
//
// A transaction that was made of a table under other columns, or of one that is
// replicated no more, can be applied nowhere once all nodes have changed that table: it
// would stop every one of them. So it has to be sent before.
//
// Threads: one, in a transaction of the caller's. Errors: SqliteError, ChangesetError.
#pragma once

#include <cstdint>
#include <string>

#include "replicator/store/node_file.h"
#include "replicator/store/replicated_schema.h"

namespace colony {

struct UnfitTransactions {
  std::int64_t count = 0;
  std::string table;  // of which the first of them speaks
};

// Reads the whole outbox.
UnfitTransactions find_unfit_transactions(NodeFile& file, const ReplicatedSchema& schema);

}  // namespace colony
