// The snapshot with which `colony repair` begins.
#pragma once

#include <string>

#include "replicator/file/staging_file.h"
#include "replicator/log/log.h"
#include "replicator/snapshot_store/snapshot_catalog.h"
#include "replicator/snapshots/snapshot_maker.h"
#include "replicator/store/node_file.h"

namespace colony {

// What scratch files are called, after the database and before the process's number.
inline constexpr const char* kRepairSuffix = "-colony-expected-";

// A place beside the database for the scratch file, gone with the object. What killed
// processes have left there goes first.
StagingFile repair_place(const std::string& database);

// Writes the newest snapshot from which the log leads to the position of `file` to `to`.
// One that another node has made is preferred: in this node's own, rows that differ here
// already differed. `log`, if null, leads nowhere: then only a snapshot at that very
// position will do. Throws Error if there is none, and says what to do; LogUnavailable.
SnapshotName fetch_repair_base(NodeFile& file, Log* log, SnapshotCatalog& catalog, const std::string& to,
                               const GoOn& go_on);

}  // namespace colony
