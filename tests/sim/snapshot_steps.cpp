#include "tests/sim/snapshot_steps.h"

namespace colony::sim {

void SnapshotSteps::make(std::size_t at) {
  Node& node = world_.node(at);
  if (node.app_in_transaction()) return;  // in the way in memdb alone
  if (!node.has_met_colony() || !node.can_be_read()) return;
  try {
    Database& made = world_.rack.make(node.path(), node.captured_reads());
    world_.say(at, "makes a snapshot of position " + std::to_string(world_.rack.newest_position().value()));
    require(world_.judge->check_snapshot(made));
  } catch (const WalLost& lost) {
    world_.say(at, std::string("makes no snapshot: ") + lost.what());
  }
}

// Behind a snapshot, which is how far the housekeeper goes.
void SnapshotSteps::cut_log() {
  const std::vector<Sequence> positions = world_.rack.positions();
  if (positions.empty()) return;
  const Sequence first = world_.random.pick(positions).next();
  if (first <= world_.log.info().first) return;
  // As long as it takes to find what a node has missed, nobody may come.
  for (const auto& node : world_.nodes) {
    if (!node->can_be_read() && node->has_met_colony() && Judge::position_of(node->observer()).next() < first) return;
  }
  world_.transcript.add("the log is cut before " + std::to_string(first.value()));
  world_.log.purge_before(first);
}

void SnapshotSteps::join() {
  constexpr std::size_t kNodesMax = 6;
  const std::vector<Sequence> positions = world_.rack.reaching(world_.log.info());
  if (positions.empty() || world_.nodes.size() == kNodesMax) return;
  if (world_.random.percent(40)) return join_with_own_file();
  const Sequence from = world_.random.pick(positions);
  NodeSettings settings;
  settings.base = world_.rack.path(from);
  world_.add_node(std::move(settings));
  const std::size_t at = world_.nodes.size() - 1;
  world_.say(at, "joins from position " + std::to_string(from.value()));
  loops_.start(at);
}

// Its app has written to it before anybody heard of it.
void SnapshotSteps::join_with_own_file() {
  NodeSettings settings = world_.new_file();
  settings.comes_late = true;
  world_.add_node(std::move(settings));
  const std::size_t at = world_.nodes.size() - 1;
  world_.say(at, "comes with a file of its own");
  for (std::size_t i = world_.random.below(6); i > 0; --i) apps_.step(at);
  apps_.come_to_rest(at);
  if (world_.random.percent(60)) {
    world_.say(at, "its rows are to be merged");
    world_.node(at).merge();
  }
  loops_.start(at);
}

}  // namespace colony::sim
