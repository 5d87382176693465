// Snapshots of a simulated colony are made, the log is cut behind them, and nodes join
// from them.
#pragma once

#include "tests/sim/app_steps.h"
#include "tests/sim/loop_steps.h"

namespace colony::sim {

class SnapshotSteps {
 public:
  SnapshotSteps(World& world, AppSteps& apps, LoopSteps& loops) : world_(world), apps_(apps), loops_(loops) {}

  // Throws Violation if the snapshot is not what it should be.
  void make(std::size_t at);
  void cut_log();
  void join();

 private:
  void join_with_own_file();

  World& world_;
  AppSteps& apps_;
  LoopSteps& loops_;
};

}  // namespace colony::sim
