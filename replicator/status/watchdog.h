// Alive is not enough: notices a loop of the sidecar that has something to do and makes
// no progress with it.
//
// Progress is what the loops tell by their LoopProgress: a step begun, a part of it done. What
// is reported as something else is no stall: a broker that is not there, a node that has
// halted, a write lock that an app holds, and for the publisher an applier that has not
// yet read what was sent.
//
// find_stall() is a function of what it is given. Threads: one, asked every second.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "replicator/status/loop_progress.h"
#include "replicator/status/status.h"

namespace colony {

// The loops of a sidecar, each with its own.
struct LoopProgresses {
  LoopProgress applier, publisher, housekeeper, heartbeat, proofs;
};

// Of the loops that have made no progress for eight seconds, the one that has not for
// the longest time.
struct LoopProgressViews {
  LoopProgress::View applier, publisher, housekeeper, heartbeat, proofs;
};
StatusView::Stall find_stall(const LoopProgressViews& loops, const StatusView& status,
                             LoopProgress::Clock::time_point now);

class Watchdog {
 public:
  // Both must outlive it.
  Watchdog(const LoopProgresses& loop_progresses, Status& status) : loops_(loop_progresses), status_(status) {}

  // Tells the status and, when a stall begins or ends, the log.
  void look(LoopProgress::Clock::time_point now);

 private:
  const LoopProgresses& loops_;
  Status& status_;
  StatusView::Stall seen_, told_;
};

}  // namespace colony
