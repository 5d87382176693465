// Where `colony recover` stores the snapshot that all other nodes are to take: there
// where they look for it, or they stay halted.
//
// Threads: one. Errors: Error (refused, one line), and the cluster status's.
#pragma once

#include <string>

#include "replicator/broker/cluster_status.h"
#include "replicator/recovery/recovery.h"

namespace colony {

// Where the colony keeps its snapshots (snapshot_place()), as the running sidecar of
// `path` tells, or the others on the cluster status; empty if nobody does. Throws Error if the
// others name several places, LogUnavailable.
std::string colony_snapshots(const std::string& path, ClusterStatus& cluster_status);

// Throws Error unless `place` is where the sidecar of `path` looks; if none runs or none
// tells, where one of the others does. That others name another place is no error: one
// folder may have several paths.
void check_place(const RecoveryView& view, const std::string& path, const std::string& place);

}  // namespace colony
