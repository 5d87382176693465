// The applier's thread of a sidecar: steps in a loop, and what it does about their
// errors. It ends when the loops are to stop, and by no error.
#pragma once

#include <chrono>
#include <functional>
#include <utility>

#include "replicator/apply/applier.h"
#include "replicator/file/file_health.h"
#include "replicator/publish/publish_permit.h"
#include "replicator/sidecar/loops.h"
#include "replicator/sidecar/retry_pause.h"
#include "replicator/snapshots/snapshot_catch_up.h"
#include "replicator/status/state_reports.h"

namespace colony {

class ApplierLoop {
 public:
  // All must outlive it. `begin`, if given, comes before each step.
  ApplierLoop(Applier& applier, SnapshotCatchUp& snapshot_catch_up, PublishPermit& permit, StateReports& reports,
              FileHealth& file, Loops& loops, std::function<void()> begin)
      : applier_(applier),
        snapshot_catch_up_(snapshot_catch_up),
        permit_(permit),
        reports_(reports),
        file_(file),
        loops_(loops),
        begin_(std::move(begin)) {}

  void run();

 private:
  void apply_or_take_new_base();
  void look_again_at_log();
  void halt(const std::string& why);
  void wait_for_change();

  Applier& applier_;
  SnapshotCatchUp& snapshot_catch_up_;
  PublishPermit& permit_;
  StateReports& reports_;
  FileHealth& file_;
  Loops& loops_;
  const std::function<void()> begin_;
  RetryPause retry_pause_;
  std::chrono::steady_clock::time_point looked_at_log_ = std::chrono::steady_clock::now();
};

}  // namespace colony
