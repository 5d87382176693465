// What `colony recover` does, step by step, when the broker has forgotten.
//
//   hold the log        nothing more is accepted, and every node halts before it
//   hear the nodes      until all have told the cluster status so, and what they have absorbed
//   decide              recovery_decision.h; if not for this node, let go of the log
//   renew the log       empty, of a new epoch, beyond all positions that there were
//   move this file      to the new log, which begins with what the file has absorbed
//   shelve a snapshot   of this file, as the base of all the others
//   release the log     every other node now meets a log of another epoch, looks for a
//                       snapshot of it, and takes that if it has all that its own
//                       file has absorbed
//
// Killed after any step, it can be run again: nodes go on halting before the held
// log, and the steps that were done are found in the log's description and in the
// file. Until the log is released, no other file has changed.
//
// Threads: one; the sidecar of the file may run or not. Errors: Error (refused, one
// line), LogUnavailable, Interrupted.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "replicator/broker/cluster_status.h"
#include "replicator/broker/jetstream_log.h"
#include "replicator/recovery/recovery_survey.h"
#include "replicator/snapshot_store/snapshot_catalog.h"

namespace colony {

struct RecoveryRequest {
  std::string path;
  std::set<std::string> without;              // names of nodes that need not be heard
  std::chrono::milliseconds timeout{60'000};  // to hear all others
};

struct RecoveryResult {
  RecoveryView view;
  // Only if it was done:
  std::string epoch;
  Sequence position;
  std::string snapshot;
  std::string store;
};

class Recovery {
 public:
  // Called often while it waits; false: to give up, Interrupted.
  using OnWaiting = std::function<bool(const std::string& for_what)>;

  // Opens the file; throws Error if it is no member's.
  // `catalog` is where the nodes look for snapshots: see recovery_place.h.
  Recovery(const RecoveryRequest& request, JetStreamLog& log, ClusterStatus& cluster_status, SnapshotCatalog& catalog,
           OnWaiting on_waiting);

  // As things look now, without holding the log: nodes that still run may move.
  RecoveryView look();

  // All of the above. Nothing lasting has changed unless the decision is kHere.
  RecoveryResult run();

 private:
  class Lease;

  RecoveryView settled_view(Lease* lease);
  bool was_begun_anew(const RecoveryView& view);
  RecoveryView hear(const std::string& token, Lease& lease);
  void let_go(const RecoveryView* view, bool was_gone, const std::string& token);
  Sequence end_of_all(const RecoveryView& view, const LogInfo& info);
  LogInfo await_anew(const std::string& token, Sequence base);
  void renew_and_move(const RecoveryView& view, const std::string& token);
  void go_on_from_here(RecoveryResult& result, const std::string& token, Lease& lease);
  void wait(const std::string& for_what);

  const RecoveryRequest& request_;
  JetStreamLog& log_;
  ClusterStatus& cluster_status_;
  SnapshotCatalog& catalog_;
  OnWaiting on_waiting_;
  RecoverySurvey survey_;
};

}  // namespace colony
