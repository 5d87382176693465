#include "tests/sim/snapshot_steps.h"

namespace colony::sim {

void SnapshotSteps::make(std::size_t at) {
  Node& node = world_.node(at);
  if (node.app_in_transaction()) return;  // in the way in memdb alone
  if (node.observer().query_integer("SELECT value FROM __colony_meta WHERE key = 'position'") == 0) return;
  Database& made = world_.rack.make(node.path());
  world_.say(at, "makes a snapshot of position " + std::to_string(world_.rack.newest_position().value()));
  require(world_.judge->check_snapshot(made));
}

// Behind a snapshot, which is how far the housekeeper goes.
void SnapshotSteps::cut_log() {
  const std::vector<Sequence> positions = world_.rack.positions();
  if (positions.empty()) return;
  const Sequence first = world_.random.pick(positions).next();
  if (first <= world_.log.info().first) return;
  world_.transcript.add("the log is cut before " + std::to_string(first.value()));
  world_.log.purge_before(first);
}

void SnapshotSteps::join() {
  constexpr std::size_t kNodesMax = 6;
  const std::vector<Sequence> positions = world_.rack.reaching(world_.log.info());
  if (positions.empty() || world_.nodes.size() == kNodesMax) return;
  const Sequence from = world_.random.pick(positions);
  NodeSettings settings;
  settings.base = world_.rack.path(from);
  world_.add_node(std::move(settings));
  const std::size_t at = world_.nodes.size() - 1;
  world_.say(at, "joins from position " + std::to_string(from.value()));
  loops_.start(at);
}

}  // namespace colony::sim
