// Joining a colony without a file: the newest good snapshot becomes the new node's.
//
// The file appears under its name when it is complete, and not before: whatever
// ends the joining early, it begins again. It is then an enrolled node's like any
// other, and the sidecar replays the log from there.
#pragma once

#include <functional>
#include <string>

#include "replicator/log/log.h"
#include "replicator/snapshot_store/snapshot_catalog.h"
#include "replicator/store/file_layout.h"

namespace colony {

struct JoinRequest {
  std::string path;  // nothing is there yet
  std::string cluster;
  std::string node;
  CaptureMode capture = CaptureMode::kSession;  // whatever that of the node was which made the snapshot
};

// What a person who watches sees.
struct JoinProgress {
  std::string waiting_for;            // else empty
  std::uint64_t done = 0, total = 0;  // bytes
};

// One at a time per file: Throws Error if a sidecar or another one joining holds it.
// Waits for the broker, the colony and its first snapshot, for ever. `on_progress`
// is called often, and ends it by returning false: Interrupted. Throws Error if it
// will never do: the name is somebody's, a bad name, no room. One thread.
void join(const JoinRequest& request, Log& log, SnapshotCatalog& catalog,
          const std::function<bool(const JoinProgress&)>& on_progress);

}  // namespace colony
