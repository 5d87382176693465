// Rows that a file had before it met a colony, as a transaction of its node: how a
// database of one's own is merged into a colony.
//
// Threads: those of the connections. Within the caller's write transaction.
#pragma once

#include <cstdint>
#include <string>

#include "replicator/apply/folded_file.h"

namespace colony {

// Throws Error if the file has met its colony: its rows are the colony's then.
void check_mergeable(NodeFile& file, const std::string& path);

// Makes one pending transaction that inserts every row of the replicated tables, in place
// of all that is pending: the file is then fold(nothing) and that. Memory is bounded, the
// outbox takes as much room as the rows. Says how many rows there are. Throws as
// check_mergeable().
std::uint64_t merge_own_rows(Database& db, NodeFile& file);

// Leaves those rows out of that transaction which the file has without it, bit for bit: to
// insert them once more would only be journalled as a conflict that is none. To be called
// while it is undone on the colony's rows, and before any of it was sent; does nothing
// otherwise.
void leave_out_what_is_there(FoldedFile& file);

}  // namespace colony
