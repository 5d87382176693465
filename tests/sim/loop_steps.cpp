#include "tests/sim/loop_steps.h"

#include "replicator/snapshots/initial_comparison.h"
#include "tests/sim/keys.h"

namespace colony::sim {

void LoopSteps::start(std::size_t at) {
  Node& node = world_.node(at);
  Random& random = world_.random;
  if (node.app_in_transaction()) return;
  world_.say(at, "the replicator starts");
  Applier::Options applier;
  applier.transaction_ms =
      random.pick<std::chrono::milliseconds>({std::chrono::hours(1), std::chrono::milliseconds(0)});
  applier.transaction_beside_app_ms = applier.transaction_ms;
  applier.fetch.messages = random.pick<std::size_t>({1, 2, 5, 1024});
  ApplierReports::Listeners listeners;
  listeners.on_barrier = [this, at](const BarrierEntry& barrier, Sequence sequence) {
    world_.say(at, "is at barrier " + std::to_string(barrier.id));
    require(world_.node(at).applier().position() == sequence ? "" : "a barrier was seen from another position");
  };
  Publisher::Options publisher;
  publisher.now = [this] { return world_.now; };
  // One that forgets its key sends nothing that counts, once the others are trusted.
  if (world_.has_keys && (world_.resting || random.percent(90))) publisher.key = key_of(letter_of(at));
  publisher.entry_bytes_max = random.pick<std::size_t>({256u << 10, kEntryBytesMin + 300, kEntryBytesMin});
  publisher.in_flight_bytes_max = random.pick<std::size_t>({8u << 20, 1, 1000});
  node.start(std::move(applier), std::move(listeners), std::move(publisher));
}

void LoopSteps::apply(std::size_t at) {
  Node& node = world_.node(at);
  Random& random = world_.random;
  if (!node.running()) return start(at);
  try {
    const bool moved = node.applier().step(std::chrono::milliseconds(0));
    world_.say(at, moved ? "applied up to " + std::to_string(node.applier().position().value()) : "nothing to apply");
  } catch (const LogUnavailable& unavailable) {
    world_.say(at, std::string("applier: ") + unavailable.what());
  } catch (const BaseUnknown& unknown) {
    world_.say(at, std::string("applier: ") + unknown.what());
    if (random.percent(80)) meet(at, random.percent(80));
  } catch (const LogCut& cut) {
    world_.say(at, std::string("applier: ") + cut.what());
    if (random.percent(80)) install(at, random.percent(80));
  } catch (const Halt& halt) {
    if (!node.is_shut_out()) throw;
    world_.say(at, std::string("applier: ") + halt.what());
  } catch (const SqliteError& error) {
    if (!world_.is_in_the_way(at, error)) throw;
    world_.say(at, "applier: busy");
  }
  if (!node.app_in_transaction()) world_.judge_node(at, random.percent(10));
}

void LoopSteps::publish(std::size_t at) {
  Node& node = world_.node(at);
  if (!node.running()) return start(at);
  // In WAL mode, the only one that Colony runs in, a writer is not in its way.
  if (node.app_in_transaction()) return;
  try {
    for (std::size_t i = 1 + world_.random.below(4); i > 0; --i) {
      if (!node.publisher().step()) break;
    }
  } catch (const LogUnavailable& unavailable) {
    world_.say(at, std::string("publisher: ") + unavailable.what());
  }
}

void LoopSteps::crash(std::size_t at) {
  world_.say(at, "the replicator crashes");
  world_.node(at).crash();
  if (world_.random.percent(50)) start(at);
}

// The time between two shares, or between two passes, is over for it.
void LoopSteps::check(std::size_t at) {
  try {
    world_.node(at).ask(world_.now);
    world_.now += kCheckEvery;
    if (world_.node(at).ask(world_.now)) world_.say(at, "asks whether all nodes are equal");
  } catch (const SqliteError& error) {
    if (!world_.is_in_the_way(at, error)) throw;
    world_.say(at, "checker: busy");
  }
}

void LoopSteps::install(std::size_t at, bool newest) {
  take(at, newest, [this, at](const std::string& base) { world_.node(at).applier().install(base); });
}

void LoopSteps::meet(std::size_t at, bool newest) {
  take(at, newest, [this, at](const std::string& base) {
    Node& node = world_.node(at);
    const std::unique_ptr<Database> scratch = world_.rack.new_place(node.path());
    InitialComparison({node.path(), base, scratch->path(), node.spill()}, node.link(),
                      [](std::uint64_t, std::uint64_t) { return true; })
        .check();
    node.applier().install(base, OwnRows::kCompared);
  });
}

void LoopSteps::take(std::size_t at, bool newest, const std::function<void(const std::string& base)>& install) {
  const std::vector<Sequence> positions = world_.rack.reaching(world_.log.info());
  const Sequence base = newest ? positions.back() : world_.random.pick(positions);
  try {
    install(world_.rack.path(base));
    world_.say(at, "took the snapshot of position " + std::to_string(base.value()));
  } catch (const LogUnavailable& unavailable) {
    world_.say(at, std::string("adoption: ") + unavailable.what());
  } catch (const SqliteError& error) {
    if (!world_.is_in_the_way(at, error)) throw;
    world_.say(at, "adoption: busy");
  }
}

}  // namespace colony::sim
