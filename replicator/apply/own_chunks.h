// Whether the log has of this node what its outbox has.
#pragma once

#include <vector>

#include "replicator/apply/planner.h"
#include "replicator/store/node_file.h"

namespace colony {

// Compares what a message has of this file's own chunks with the outbox. Throws Halt if
// they differ: somebody else speaks as this node, and this file must not go on as if
// that were its own.
void check_own_chunks(NodeFile& file, const PlannedMessage& message);

}  // namespace colony
