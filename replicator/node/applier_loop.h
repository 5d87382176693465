// The applier's thread of a sidecar: steps in a loop, and what it does about their
// errors. It ends when the loops are to stop, and by no error.
#pragma once

#include <chrono>

#include "replicator/node/applier.h"
#include "replicator/node/file_health.h"
#include "replicator/node/loops.h"
#include "replicator/node/new_base.h"
#include "replicator/node/progress.h"
#include "replicator/node/retry_pause.h"
#include "replicator/node/state_reports.h"

namespace colony {

class ApplierLoop {
 public:
  // All must outlive it.
  ApplierLoop(Applier& applier, NewBase& new_base, Progress& progress, StateReports& reports, FileHealth& file,
              Loops& loops)
      : applier_(applier), new_base_(new_base), progress_(progress), reports_(reports), file_(file), loops_(loops) {}

  void run();

 private:
  void apply_or_take_new_base();
  void look_again_at_log();
  void halt(const std::string& why);
  void wait_for_change();

  Applier& applier_;
  NewBase& new_base_;
  Progress& progress_;
  StateReports& reports_;
  FileHealth& file_;
  Loops& loops_;
  RetryPause retry_pause_;
  std::chrono::steady_clock::time_point looked_at_log_ = std::chrono::steady_clock::now();
};

}  // namespace colony
