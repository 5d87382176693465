// A broker and four nodes on this machine, each node with its file and its
// `colony run`: what a user starts, and nothing else.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/bench/process.h"
#include "tests/bench/settings.h"
#include "tests/bench/workload.h"

namespace colony::bench {

class LoopbackColony {
 public:
  static constexpr std::size_t kNodes = 4;

  // Returns when all sidecars are in step with the log.
  explicit LoopbackColony(const Settings& settings, const TableKind& kind = objects_table(),
                          std::size_t nodes = kNodes);

  static std::string name(std::size_t node) { return std::string(1, static_cast<char>('a' + node)); }
  std::string file(std::size_t node) const;
  pid_t sidecar(std::size_t node) const { return sidecars_[node]->pid(); }
  pid_t broker() const { return broker_->pid(); }

  // Until all nodes have absorbed all there is. Throws if they do not, with what
  // the sidecars say.
  void await_step(int seconds = 60);
  // The same for one node.
  void await_step_of(std::size_t node, int seconds);

  // Cuts a node off, while its app goes on, and lets it back.
  void stop_sidecar(std::size_t node) { sidecars_[node].reset(); }
  void start_sidecar(std::size_t node);

 private:
  void make_files();
  void start_broker();

  Settings settings_;
  const TableKind& kind_;
  std::size_t nodes_;
  std::filesystem::path directory_;
  std::string url_;
  std::unique_ptr<Program> broker_;
  std::vector<std::unique_ptr<Program>> sidecars_;
};

}  // namespace colony::bench
