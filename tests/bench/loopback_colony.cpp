#include "tests/bench/loopback_colony.h"

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/bench/rounds.h"

namespace colony::bench {

LoopbackColony::LoopbackColony(const Settings& settings, const TableKind& kind, std::size_t nodes)
    : settings_(settings),
      kind_(kind),
      nodes_(nodes),
      directory_(settings.directory / (std::string("colony with ") + kind.name)) {
  std::filesystem::create_directories(directory_);
  make_files();
  start_broker();
  sidecars_.resize(nodes_);
  for (std::size_t node = 0; node < nodes_; ++node) start_sidecar(node);
  await_step();
}

void LoopbackColony::start_sidecar(std::size_t node) {
  std::vector<std::string> words = {settings_.program, "run", file(node), "--nats", url_};
  words.insert(words.end(), settings_.run_flags.begin(), settings_.run_flags.end());
  sidecars_[node] = std::make_unique<Program>(std::move(words), directory_ / (name(node) + ".log"));
}

std::string LoopbackColony::file(std::size_t node) const { return directory_ / (name(node) + ".db"); }

// Nodes start with equal rows: b, c and d are copies of a.
void LoopbackColony::make_files() {
  create_file(file(0), kind_, Workload(kind_).next(Verb::kInsert, kRowsAtStart));
  for (std::size_t node = 0; node < nodes_; ++node) {
    if (node > 0) std::filesystem::copy_file(file(0), file(node));
    Program({settings_.program, "init", file(node), "--cluster", "bench", "--node", name(node), "--capture",
             settings_.captures_from_log ? "wal" : "session"},
            directory_ / "init.log")
        .finish();
  }
}

void LoopbackColony::start_broker() {
  const std::filesystem::path ports = directory_ / "ports";
  std::filesystem::create_directories(ports);
  broker_ = std::make_unique<Program>(
      std::vector<std::string>{settings_.nats_server, "--jetstream", "--addr", "127.0.0.1", "--port", "-1",
                               "--store_dir", directory_ / "store", "--ports_file_dir", ports},
      directory_ / "broker.log");
  const std::int64_t deadline = now_ns() + 20'000'000'000;
  while (url_.empty()) {
    if (now_ns() > deadline || !broker_->is_running()) {
      throw std::runtime_error("the broker does not come up: " + broker_->output());
    }
    usleep(10'000);
    for (const auto& entry : std::filesystem::directory_iterator(ports)) {
      std::stringstream text;
      text << std::ifstream(entry.path()).rdbuf();
      const std::string content = text.str();
      const std::size_t begin = content.find("nats://");
      const std::size_t end = content.find('"', begin);
      if (begin != std::string::npos && end != std::string::npos) url_ = content.substr(begin, end - begin);
    }
  }
}

void LoopbackColony::await_step(int seconds) {
  for (std::size_t node = 0; node < nodes_; ++node) await_step_of(node, seconds);
}

void LoopbackColony::await_step_of(std::size_t node, int seconds) {
  try {
    Program({settings_.program, "wait", file(node), "--nats", url_, "--timeout", std::to_string(seconds)},
            directory_ / "wait.log")
        .finish();
  } catch (const std::exception& error) {
    throw std::runtime_error(std::string(error.what()) + "node " + name(node) + " says: " + sidecars_[node]->output());
  }
}

}  // namespace colony::bench
