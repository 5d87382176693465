// Folding the log into a file that is nobody's, such as a snapshot's, up to a position.
#pragma once

#include <string>

#include "replicator/log/log.h"
#include "replicator/snapshots/snapshot_maker.h"

namespace colony {

// From the position of the database at `path` on, as a node absorbs it. Nobody else may
// write to it. Throws Error if `target` is beyond the log's end, or an entry before it
// cannot be folded; LogUnavailable; Interrupted when `go_on` says so. One thread.
void replay_log(const std::string& path, Log& log, Sequence target, const GoOn& go_on);

}  // namespace colony
