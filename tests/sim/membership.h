// Nodes of a simulated colony leave, are removed by others, and begin other lives.
#pragma once

#include "tests/sim/app_steps.h"
#include "tests/sim/loop_steps.h"

namespace colony::sim {

class Membership {
 public:
  Membership(World& world, AppSteps& apps, LoopSteps& loops) : world_(world), apps_(apps), loops_(loops) {}

  // One who is a member says that somebody leaves; one who is none any more comes back.
  void change(std::size_t at);
  // Under a name that nobody had; or, where no audit row tells who wrote it, now and
  // then under one that somebody may have again.
  void come_back(std::size_t at);

 private:
  World& world_;
  AppSteps& apps_;
  LoopSteps& loops_;
  std::uint64_t lives_ = 0;  // that were begun after the first ones
};

}  // namespace colony::sim
