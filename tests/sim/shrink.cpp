#include "tests/sim/shrink.h"

namespace colony::sim {
namespace {

// What kind of failure it is: another one is of no help.
std::string kind_of(const Plan& plan) {
  Transcript none(false);
  const std::string failure = Simulation(plan, none).run().value_or("");
  return failure.substr(0, 12);
}

void leave_out_features(Plan& plan, const std::string& kind) {
  for (bool Plan::*feature : {&Plan::faults, &Plan::odd_values, &Plan::large_transactions, &Plan::snapshots}) {
    Plan simpler = plan;
    simpler.*feature = false;
    if (kind_of(simpler) == kind) plan = simpler;
  }
}

// Halves first, then ever smaller runs of steps.
void leave_out_steps(Plan& plan, std::size_t steps, const std::string& kind) {
  for (std::size_t size = steps / 2; size > 0; size /= 2) {
    for (std::size_t at = 0; at < steps; at += size) {
      Plan shorter = plan;
      for (std::size_t i = at; i < at + size && i < steps; ++i) shorter.left_out.insert(i);
      if (shorter.left_out.size() != plan.left_out.size() && kind_of(shorter) == kind) plan = shorter;
    }
  }
}

}  // namespace

Shrunk shrink(const Plan& failing) {
  Shrunk shrunk;
  shrunk.plan = failing;
  Transcript none(false);
  shrunk.steps = Simulation(failing, none).steps();
  const std::string kind = kind_of(failing);
  leave_out_steps(shrunk.plan, shrunk.steps, kind);
  leave_out_features(shrunk.plan, kind);
  leave_out_steps(shrunk.plan, shrunk.steps, kind);
  shrunk.steps_left = shrunk.steps - shrunk.plan.left_out.size();
  Transcript transcript(true);
  shrunk.failure = Simulation(shrunk.plan, transcript).run().value_or("it did not fail again");
  shrunk.transcript = transcript.lines();
  return shrunk;
}

}  // namespace colony::sim
