// One simulated colony, from a seed: a random schema, random nodes, and steps in
// which apps write, loops turn, messages travel, and all of them fail; then quiet,
// and judgement. Checked after every step and at the end.
//
// What is here chooses what happens next; what that is stands in the files named after
// the steps.
#pragma once

#include <optional>
#include <string>

#include "tests/sim/app_steps.h"
#include "tests/sim/loop_steps.h"
#include "tests/sim/membership.h"
#include "tests/sim/rest.h"
#include "tests/sim/snapshot_steps.h"
#include "tests/sim/trust_steps.h"
#include "tests/sim/world.h"

namespace colony::sim {

class Simulation {
 public:
  Simulation(const Plan& plan, Transcript& transcript) : world_(plan, transcript) {}

  std::size_t steps() const { return world_.steps; }
  // Nothing if all went well; else what did not.
  std::optional<std::string> run();

 private:
  void step(std::size_t number);
  void snapshot_step(std::size_t at, std::size_t kind);
  void fault_step(std::size_t at, std::size_t kind, std::size_t number);
  void deliver();
  void ask_for_barrier(std::size_t at, std::size_t number);
  void kill_app(std::size_t at);
  void cut_power(std::size_t at);
  void toggle_offline(std::size_t at);
  void toggle_reader(std::size_t at);
  void append_garbage();

  World world_;
  AppSteps apps_{world_};
  LoopSteps loops_{world_};
  Membership membership_{world_, apps_, loops_};
  TrustSteps trust_{world_};
  SnapshotSteps snapshots_{world_, apps_, loops_};
  Rest rest_{world_, apps_, loops_, membership_, trust_};
};

}  // namespace colony::sim
