#include "tests/sim/rest.h"

#include <algorithm>

namespace colony::sim {

void Rest::come_to_rest() {
  world_.transcript.add("-- quiet");
  world_.random = Random(world_.plan.seed, "quiet");
  world_.resting = true;
  for (std::size_t i = 0; i < world_.nodes.size(); ++i) make_well(i);
  constexpr int kRoundsMax = 300;
  int quiet = 0;
  for (int count = 0; quiet < 3; ++count) {
    if (count == kRoundsMax) throw Violation("the colony does not come to rest");
    if (!world_.wire.empty() && count % 3 == 0) world_.wire.deliver_one(world_.random);
    if (count == 60) world_.wire.deliver_all();
    quiet = round() || !world_.wire.empty() ? 0 : quiet + 1;
    if (quiet > 0) world_.now += std::chrono::seconds(11);
  }
}

void Rest::make_well(std::size_t at) {
  Node& node = world_.node(at);
  node.link().set_faults({}, nullptr);
  node.link().set_offline(false);
  node.end_reading();
  apps_.come_to_rest(at);
  try {
    if (node.captures_from_log() && node.can_be_read()) node.mark_captured();
  } catch (const WalLost& lost) {  // it will be found otherwise
    world_.say(at, std::string("capture: ") + lost.what());
  }
  if (world_.has_keys) node.crash();  // and is given its key
  if (!node.running()) loops_.start(at);
}

// True if anything moved.
bool Rest::round() {
  const Sequence end = world_.log.last();
  bool moved = false;
  for (std::size_t i = 0; i < world_.nodes.size(); ++i) moved |= step_node(i);
  if (world_.has_keys) moved |= trust_.trust_everybody();
  return moved || world_.log.last() != end;
}

bool Rest::step_node(std::size_t at) {
  Node& node = world_.node(at);
  bool moved = false;
  if (!loops_.keep_captured(at)) return true;
  try {
    while (node.capture_committed(2000)) moved = true;
    while (node.applier().step(std::chrono::milliseconds(0))) moved = true;
  } catch (const LogUnavailable&) {
    moved = true;  // the end of the last time offline
  } catch (const WalLost&) {
    moved = true;
  } catch (const BaseUnknown&) {
    loops_.meet(at, true);
    moved = true;
  } catch (const LogCut&) {
    loops_.install(at, true);
    moved = true;
  } catch (const Halt&) {
    if (!node.is_shut_out()) throw;
    membership_.come_back(at);
    loops_.start(at);
    moved = true;
  }
  for (int most = 1000; most > 0 && node.publisher().step(); --most) moved = true;
  return moved;
}

void Rest::notice_drift() {
  world_.random = Random(world_.plan.seed, "drift");
  const std::size_t at = world_.random.below(2);  // these know questions
  std::vector<std::string> filled;
  for (const Table& table : world_.schema.tables) {
    Statement any(world_.node(at).observer(), "SELECT 1 FROM " + quote(table.name));
    if (any.step()) filled.push_back(table.name);
  }
  if (filled.empty()) return;
  const std::string table = world_.random.pick(filled);
  world_.say(at, "loses what is in " + table);
  world_.node(at).write_behind_its_back("DELETE FROM " + quote(table));
  if (!find_drift(at, table)) throw Violation("nobody notices that " + table + " differs");
}

bool Rest::find_drift(std::size_t at, const std::string& table) {
  constexpr int kStepsPerPass = 50;
  for (int i = 0; i < 3 * kStepsPerPass; ++i) {
    world_.now += kCheckEvery / kStepsPerPass;
    for (const auto& node : world_.nodes) node->ask(world_.now);
    while (round()) {
    }
    const std::vector<Drift> drift = world_.node(at).drift();
    if (std::any_of(drift.begin(), drift.end(), [&](const Drift& found) { return found.table == table; })) return true;
  }
  return false;
}

void Rest::judge() {
  Judge& judge = *world_.judge;
  for (std::size_t i = 0; i < world_.nodes.size(); ++i) {
    require(world_.node(i).is_captured() ? "" : "at rest, something is not captured");
    require(judge.check_rest(world_.node(i)));
    world_.judge_node(i, true);
    if (i > 0) require(judge.check_equal(world_.node(0), world_.node(i)));
  }
  if (world_.plan.seed % 8 == 0) require(judge.check_integrity(*world_.nodes.back()));
  apps_.check_audits();
}

}  // namespace colony::sim
