// Moving a node's file to a new log that begins with this very file.
#pragma once

#include <string>

#include "replicator/store/version_vector.h"

namespace colony {

// In one SQLite transaction: the file's log is the one of `epoch` from here on, and
// all that the file has absorbed stands at `position` of it; its former log and
// `other_logs`, those of the nodes that are to follow, are remembered. Rows and outbox
// stay: what is pending goes into the new log. Throws Error, and changes nothing, if
// the file has absorbed something else than `marks` by now. One thread; app and
// sidecar may have the file open.
void move_to_new_log(const std::string& path, const std::string& epoch, Sequence position,
                     const VersionVector& version_vector, const std::vector<std::string>& other_logs = {});

}  // namespace colony
