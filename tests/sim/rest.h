// The end of a simulated run: everybody is well again and has time, and then all that
// the colony has said must hold.
#pragma once

#include "tests/sim/app_steps.h"
#include "tests/sim/loop_steps.h"
#include "tests/sim/membership.h"
#include "tests/sim/trust_steps.h"

namespace colony::sim {

class Rest {
 public:
  Rest(World& world, AppSteps& apps, LoopSteps& loops, Membership& membership, TrustSteps& trust)
      : world_(world), apps_(apps), loops_(loops), membership_(membership), trust_(trust) {}

  // Until nothing moves any more. Throws Violation if that does not come.
  void come_to_rest();

  // Throws Violation.
  void judge();

  // After judge(): rows of a node change without anybody seeing it, which all must notice
  // within a pass of checks. Throws Violation.
  void notice_drift();

 private:
  bool find_drift(std::size_t at, const std::string& table);
  void make_well(std::size_t at);
  bool round();
  bool step_node(std::size_t at);

  World& world_;
  AppSteps& apps_;
  LoopSteps& loops_;
  Membership& membership_;
  TrustSteps& trust_;
};

}  // namespace colony::sim
