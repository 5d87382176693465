#include "tests/sim/simulation.h"

#include "tests/sim/garbage.h"
#include "tests/sim/twin.h"

namespace colony::sim {

std::optional<std::string> Simulation::run() {
  const Plan& plan = world_.plan;
  try {
    for (std::size_t i = 0; i < world_.nodes.size(); ++i) loops_.start(i);
    for (std::size_t i = 0; i < world_.steps; ++i) {
      if (plan.left_out.count(i) != 0) continue;
      world_.random = Random(plan.seed, "step", i);
      world_.transcript.add("-- step " + std::to_string(i));
      step(i);
    }
    rest_.come_to_rest();
    rest_.judge();
    if (plan.seed % 4 == 0) rest_.notice_drift();
    return compare_with_plain_sqlite(plan.seed, world_.transcript);
  } catch (const std::exception& error) {
    return error.what();
  }
}

void Simulation::step(std::size_t number) {
  const std::size_t at = world_.random.below(world_.nodes.size());
  world_.node(at).link().set_faults(world_.faults, &world_.random);
  if (world_.has_keys && world_.random.percent(6)) return trust_.step(at);
  if (world_.has_power_disks && world_.random.percent(8)) return cut_power(at);
  if (world_.node(at).captures_from_log() && world_.random.percent(15)) return loops_.capture(at);
  const std::size_t kind = world_.random.below(100);
  if (kind < 40) {
    apps_.step(at);
  } else if (kind < 56) {
    loops_.publish(at);
  } else if (kind < 76) {
    loops_.apply(at);
  } else if (kind < 81) {
    deliver();
  } else if (kind < 88) {
    if (world_.plan.snapshots) snapshot_step(at, kind);
  } else if (world_.plan.faults) {
    fault_step(at, kind, number);
  }
}

void Simulation::snapshot_step(std::size_t at, std::size_t kind) {
  if (kind < 84) {
    snapshots_.make(at);
  } else if (kind < 87) {
    snapshots_.cut_log();
  } else {
    snapshots_.join();
  }
}

void Simulation::fault_step(std::size_t at, std::size_t kind, std::size_t number) {
  if (kind < 89) {
    membership_.change(at);
  } else if (kind < 90) {
    world_.now += std::chrono::seconds(world_.random.between(1, 12));
  } else if (kind < 92) {
    loops_.crash(at);
  } else if (kind < 94) {
    toggle_offline(at);
  } else if (kind < 95) {
    toggle_reader(at);
  } else if (kind < 97) {
    append_garbage();
  } else if (kind < 98) {
    ask_for_barrier(at, number);
  } else if (kind < 99) {
    kill_app(at);
  } else {
    world_.now += std::chrono::seconds(30);
  }
}

void Simulation::deliver() {
  Wire& wire = world_.wire;
  for (std::size_t i = 1 + world_.random.below(3); i > 0 && !wire.empty(); --i) wire.deliver_one(world_.random);
}

void Simulation::ask_for_barrier(std::size_t at, std::size_t number) {
  if (!world_.node(at).running()) return;
  if (world_.random.percent(50)) return loops_.check(at);
  world_.say(at, "asks for a barrier");
  world_.node(at).publisher().enqueue(BarrierEntry{number});
}

void Simulation::kill_app(std::size_t at) {
  world_.say(at, "the app dies");
  apps_.forget(at);
  world_.node(at).reopen_app();
}

void Simulation::cut_power(std::size_t at) {
  if (!world_.can_lose_power(at)) return;
  Node& node = world_.node(at);
  world_.say(at, "the power is cut");
  node.lose_power(world_.random.percent(50) ? &world_.random : nullptr);
  apps_.lost_power(at);
  world_.judge_node(at, true);
  if (world_.random.percent(70)) loops_.start(at);
}

void Simulation::toggle_offline(std::size_t at) {
  LogLink& link = world_.node(at).link();
  link.set_offline(!link.offline());
  world_.say(at, link.offline() ? "is cut off" : "is back");
}

void Simulation::toggle_reader(std::size_t at) {
  Node& node = world_.node(at);
  if (node.app_in_transaction()) return;
  world_.say(at, node.is_read() ? "the reader is done" : "somebody begins to read");
  if (node.is_read()) {
    node.end_reading();
  } else {
    node.begin_reading();
  }
}

void Simulation::append_garbage() {
  std::vector<std::string> names = {"stranger"};
  for (const auto& node : world_.nodes) names.push_back(node->name());
  if (const std::optional<Message> garbage = random_garbage(world_.log.messages(), names, world_.random)) {
    world_.transcript.add("garbage under the name of " + garbage->origin);
    world_.log.append(garbage->origin, garbage->data);
  }
}

}  // namespace colony::sim
