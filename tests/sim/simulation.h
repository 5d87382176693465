// One simulated colony, from a seed: a random schema, random nodes, and steps in
// which apps write, loops turn, messages travel, and all of them fail; then quiet,
// and judgement. Checked after every step and at the end.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/judge.h"
#include "tests/sim/random_schema.h"
#include "tests/sim/snapshot_rack.h"
#include "tests/sim/transcript.h"
#include "tests/sim/workload.h"

namespace colony::sim {

// What a run is made of. Leaving something out changes nothing else: that is how
// a failing run is made shorter.
struct Plan {
  std::uint64_t seed = 0;
  std::size_t steps = 0;           // 0: as many as the seed says
  std::set<std::size_t> left_out;  // of the steps
  bool faults = true;
  bool odd_values = true;
  bool large_transactions = true;
  bool snapshots = true;
};

// A database name in memory that no other simulation of this process has.
std::string fresh_path(const std::string& node);

class Simulation {
 public:
  Simulation(const Plan& plan, Transcript& transcript);
  ~Simulation();

  std::size_t steps() const { return steps_; }
  // Nothing if all went well; else what did not.
  std::optional<std::string> run();

 private:
  struct App {
    std::vector<std::string> statements;         // of the transaction at hand, those to come
    std::map<std::string, std::size_t> audited;  // by its name then: audit rows that it was told are committed
  };

  void found_nodes();
  void add_node(NodeSettings settings);
  void set_faults();
  void step(std::size_t number);
  void fault_step(std::size_t at, std::size_t kind, std::size_t number);
  void app_step(std::size_t at);
  void execute(std::size_t at, const std::string& sql);
  void finish_transaction(std::size_t at);
  void applier_step(std::size_t at);
  void publisher_step(std::size_t at);
  void crash(std::size_t at);
  void start(std::size_t at);
  void change_members(std::size_t at);
  void come_back(std::size_t at);
  void toggle_offline(std::size_t at);
  void toggle_reader(std::size_t at);
  void append_garbage();
  void append_forgery();
  void trust_step(std::size_t at);
  bool trust_everybody();
  void deliver();
  void snapshot_step(std::size_t at, std::size_t kind);
  void make_snapshot(std::size_t at);
  void cut_log();
  void join();
  void adopt(std::size_t at, bool newest);
  void come_to_rest();
  bool rest_round();
  void judge_node(std::size_t at, bool journal);
  void judge_rest();
  void require(const std::string& problem) const;
  void say(std::size_t at, const std::string& what) { transcript_.add(nodes_[at]->name() + ": " + what); }

  Plan plan_;
  Transcript& transcript_;
  std::size_t steps_ = 0;
  RandomSchema schema_sql_;
  Schema schema_;      // all tables
  Schema app_schema_;  // those that the app writes itself
  WorkloadFeatures workload_;
  bool foreign_keys_ = false;
  bool recursive_triggers_ = false;
  std::int64_t conflicts_max_ = 0;
  Faults faults_;
  Random random_;  // of the step at hand

  MemoryLog log_;
  Wire wire_;
  SnapshotRack rack_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<App> apps_;
  bool signed_ = false;         // the nodes have keys, and come to trust each other by them
  bool resting_ = false;        // everybody is well, and has its key
  int rounds_until_trust_ = 0;  // that somebody says again whom to trust
  std::uint64_t lives_ = 0;     // that were begun after the first ones
  std::chrono::steady_clock::time_point now_{};
  std::optional<ReferenceLog> reference_;
  std::optional<Judge> judge_;
};

}  // namespace colony::sim
