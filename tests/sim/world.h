// The colony that a simulation plays with: random nodes of a random schema, the log and
// the way to it, snapshots, the time, and a judge. Its steps (app_steps.h, loop_steps.h,
// membership.h, snapshot_steps.h, trust_steps.h) have nothing in common but this.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/sim/judge.h"
#include "tests/sim/plan.h"
#include "tests/sim/random_schema.h"
#include "tests/sim/snapshot_rack.h"
#include "tests/sim/transcript.h"
#include "tests/sim/workload.h"

namespace colony::sim {

// A violation of what must hold.
class Violation : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Throws Violation if there is a problem.
void require(const std::string& problem);

struct World {
  // As the seed says.
  World(const Plan& plan, Transcript& transcript);
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Node& node(std::size_t at) { return *nodes[at]; }
  // Of a new file, with indexes in an order of its own.
  NodeSettings new_file();
  // Under the next letter.
  void add_node(NodeSettings settings);

  void say(std::size_t at, const std::string& what) { transcript.add(nodes[at]->name() + ": " + what); }

  // Throws Violation. Not while its app has committed what is not captured yet.
  void judge_node(std::size_t at, bool journal);
  // Whether what its app commits while no sidecar runs can be found in any case: what its rows must be
  // is known.
  bool can_be_away(std::size_t at) { return !node(at).captures_from_log() || can_be_away(at, position_of(at)); }
  // The same when its machine loses power, which may take its file back to what was flushed at first:
  // flushes all if that was nothing yet.
  bool can_lose_power(std::size_t at);
  // Whether an error of a loop only says that the app or a reader is in its way, as it
  // may be in a database in memory.
  bool is_in_the_way(std::size_t at, const SqliteError& error);

  Plan plan;
  Transcript& transcript;
  Random random;          // of the step at hand
  std::size_t steps = 0;  // that the run has
  RandomSchema schema_sql;
  Schema schema;      // all tables
  Schema app_schema;  // those that the app writes itself
  WorkloadFeatures workload;
  bool foreign_keys = false;
  bool recursive_triggers = false;
  std::int64_t conflicts_max = 0;
  bool has_power_disks = false;  // machines can lose power
  bool has_keys = false;         // the nodes sign, and come to trust each other by their keys
  bool resting = false;          // everybody is well, and has its key
  Faults faults;

  MemoryLog log;
  Wire wire;
  SnapshotRack rack;
  std::vector<std::unique_ptr<Node>> nodes;
  std::map<std::size_t, Sequence> flushed;  // in wal mode: positions that no power cut takes back
  std::chrono::steady_clock::time_point now{};
  std::optional<ReferenceLog> reference;
  std::optional<Judge> judge;

 private:
  Sequence position_of(std::size_t at) { return Judge::position_of(node(at).observer()); }
  bool can_be_away(std::size_t at, Sequence position);
  void found_nodes();
  void set_faults();
};

// The letter of a file: the name of its first life.
inline char letter_of(std::size_t at) { return static_cast<char>('a' + at); }

}  // namespace colony::sim
