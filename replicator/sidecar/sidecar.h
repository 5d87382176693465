// The sidecar of one file: `colony run`, put together.
//
// Its parts, in the order in which they are made; each may use those before it:
//
//   ServedFile    the file: claimed, kept whole, watched for commits
//   Reporting     status, watchdog, heartbeat
//   Replication   the connection to the log, the applier, the publisher, proofs
//   Upkeep        snapshots and cuts, and asking whether all have the same rows
//
// They start in the opposite order of need: Upkeep, Replication, Reporting; none waits for
// another one. The end has four steps: all are told to stop, on the main thread; the
// housekeeper is closed; the ends of all loops are awaited for a second, and if one has
// not come by then, or the file must not be closed, the process leaves as if it were
// killed; what is left is joined, and the parts go in the opposite order of making.
//
// The main thread runs Boost.Asio's loop: signals, inotify on the write-ahead log, which
// tells of every commit of the app, and timers. All else has threads of its own.
#pragma once

#include <memory>

#include "replicator/sidecar/sidecar_settings.h"

namespace colony {

class Sidecar {
 public:
  // Throws Error if the file is no colony's, is a copy, or has a sidecar.
  explicit Sidecar(SidecarSettings settings);
  ~Sidecar();

  // Until SIGTERM or SIGINT; then ends the threads, and returns.
  void run();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace colony
