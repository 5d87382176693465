// Who is told of the transactions of programs, in their order, as WalFollower reads them.
//
// Threads: the follower's. What is given is good during the call. Errors: any; the follower cannot
// go on after one.
#pragma once

#include "replicator/wal/page_changes.h"
#include "replicator/wal/wal_tables.h"
#include "sqlite_ext/net_rows.h"

namespace colony {

class TransactionSink {
 public:
  struct Transaction {
    const NetRows& rows;     // of the replicated tables; their numbers are trees
    PageChanges& changes;    // for trees that are not replicated
    WalTables& tables;       // before it
    const WalTables* after;  // of one that changes the schema, whose rows are told where a table stays
  };

  virtual ~TransactionSink() = default;
  virtual void take(const Transaction& transaction) = 0;
};

}  // namespace colony
