#include "tests/sim/loop_steps.h"

#include "replicator/apply/merge.h"
#include "replicator/fold/fold.h"
#include "replicator/repair/missed_changes.h"
#include "replicator/snapshots/initial_comparison.h"
#include "replicator/store/noted_schema.h"
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
  node.goes_on_at_mark();
}

void LoopSteps::apply(std::size_t at) {
  Node& node = world_.node(at);
  Random& random = world_.random;
  if (!node.running()) return start(at);
  if (!keep_captured(at)) return;
  try {
    const bool moved = node.applier().step(std::chrono::milliseconds(0));
    world_.say(at, moved ? "applied up to " + std::to_string(node.applier().position().value()) : "nothing to apply");
  } catch (const LogUnavailable& unavailable) {
    world_.say(at, std::string("applier: ") + unavailable.what());
  } catch (const WalLost& lost) {
    world_.say(at, std::string("applier: ") + lost.what());
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

void LoopSteps::capture(std::size_t at) {
  Node& node = world_.node(at);
  Random& random = world_.random;
  const std::size_t kind = random.below(10);
  if (kind < 3) {
    const auto mode = random.pick<std::string>({"PASSIVE", "FULL", "RESTART", "TRUNCATE"});
    if (!node.app_in_transaction()) run_sql(node.app(), "PRAGMA wal_checkpoint(" + mode + ")");
    return world_.say(at, "somebody makes a checkpoint: " + mode);
  }
  if (kind == 3) {  // as if the schema had changed
    if (!world_.can_be_away(at)) return;
    const SqlResult result = node.sql("VACUUM");
    return world_.say(at, "somebody vacuums" + (result.code == SQLITE_OK ? "" : ": " + result.message));
  }
  if (!node.running() || !node.can_be_read()) return;
  try {
    const bool captured = node.capture_committed(random.pick<std::size_t>({1, 5, 2000}));
    world_.say(at, captured ? "captured what was committed" : "nothing to capture");
  } catch (const WalLost& lost) {
    world_.say(at, std::string("capture: ") + lost.what());
  } catch (const SqliteError& error) {
    if (!world_.is_in_the_way(at, error)) throw;
    world_.say(at, "capture: busy");
  }
  if (!node.app_in_transaction()) world_.judge_node(at, random.percent(30));
}

bool LoopSteps::keep_captured(std::size_t at) {
  Node& node = world_.node(at);
  if (node.goes_on_at_mark()) return true;
  try {
    return find_missed(at);
  } catch (const LogUnavailable& unavailable) {
    world_.say(at, std::string("what was missed: ") + unavailable.what());
  } catch (const SqliteError& error) {
    if (!world_.is_in_the_way(at, error)) throw;
    world_.say(at, "what was missed: busy");
  }
  node.capture()->forget();
  return false;
}

// As StartComparison does.
bool LoopSteps::find_missed(std::size_t at) {
  Node& node = world_.node(at);
  if (!node.has_met_colony()) {
    begin_without_comparison(at);
    return true;
  }
  std::vector<Sequence> bases = world_.rack.reaching(world_.log.info());
  std::erase_if(bases, [&](Sequence base) { return base > Judge::position_of(node.observer()); });
  if (bases.empty()) throw Violation("what the rows of node " + node.name() + " must be is not known");
  const Sequence base = world_.random.percent(70) ? bases.back() : world_.random.pick(bases);
  put_missed(at, base)->committed();
  world_.say(at, "found with the snapshot of position " + std::to_string(base.value()) + " what was missed");
  return true;
}

// The turn of the capture in which it was committed.
std::unique_ptr<WalCapture::Turn> LoopSteps::put_missed(std::size_t at, Sequence base) {
  Node& node = world_.node(at);
  const std::unique_ptr<Database> scratch = world_.rack.copy_for(node.path(), base);
  MissedChanges missed(node.path(), scratch->path(), &node.link(), [](std::uint64_t, std::uint64_t) { return true; });
  missed.prepare();
  missed.find(node.capture()->follow_from_here(), [] {});
  std::unique_ptr<WalCapture::Turn> turn;
  missed.put(
      [&](Database& db) {
        turn = std::make_unique<WalCapture::Turn>(*node.capture(), db);
        turn->before_commit(WalCapture::Turn::Tables::kMayBeOthers);
      },
      [] { return false; });
  return turn;
}

void LoopSteps::begin_without_comparison(std::size_t at) {
  Node& node = world_.node(at);
  Database db = open_for_fold(node.path());
  db.wait_for_locks([](int) { return false; }, 1);
  NodeFile file(db);
  node.capture()->follow_from_here();
  WriteTransaction transaction(db);
  if (file.merged() != ChunkNumber()) merge_own_rows(db, file);
  note_schema(db);
  WalCapture::Turn turn(*node.capture(), db);
  turn.before_commit(WalCapture::Turn::Tables::kMayBeOthers);
  transaction.commit();
  turn.committed();
  world_.say(at, "capture begins with the rows that there are");
}

void LoopSteps::crash(std::size_t at) {
  if (!world_.can_be_away(at)) return;
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
    InitialComparison({node.path(), base, scratch->path(), node.spill(), node.captured_reads()}, node.link(),
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
