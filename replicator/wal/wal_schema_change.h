// Captures what programs have done to the schema: the one before is read through one connection,
// the one after through another, and rows that have changed are told by the pages of their tables.
// All of it is one transaction in the outbox.
//
// Threads: one. Errors: Halt for what cannot be told to other nodes; those of WalFollower; RecordError.
#pragma once

#include "replicator/wal/wal_follower.h"

namespace colony {

// `before` sees the schema that there is where `follower` has come to; its rows may be older ones.
// `now`, in its write transaction, sees the state at `end`, and queues the changes.
void queue_schema_change(WalFollower& follower, const WalEnd& end, Database& before, Database& now);

}  // namespace colony
