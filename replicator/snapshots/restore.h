// A plain SQLite file with the rows as they were at a position of the log: a
// snapshot, and what the log has from there to that position, folded as every node
// folds it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "replicator/log/log.h"
#include "replicator/snapshots/snapshot_maker.h"

namespace colony {

struct RestoreRequest {
  std::string to;                         // the new file; nothing is there yet
  std::optional<Sequence> at;             // neither: the end of the log
  std::optional<std::int64_t> at_time_s;  // the last entry that the log took by then, since 1970
};

// Null `log`: only from the snapshots, at their own positions. Says which position
// it came to. Throws Error if that is not covered any more, or the broker or the
// store cannot be reached. One thread.
Sequence restore(const RestoreRequest& request, Log* log, SnapshotCatalog& catalog, const GoOn& go_on);

}  // namespace colony
