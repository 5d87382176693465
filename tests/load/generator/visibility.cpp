#include "tests/load/generator/visibility.h"

#include <algorithm>

#include "tests/load/generator/workload.h"
#include "tests/load/metad/database.h"
#include "tests/load/metad/write_queue.h"

namespace load {

using metad::monotonic_ns;

struct Visibility::Watcher {
  explicit Watcher(const std::string& file)
      : db(metad::open_database(file, metad::Database::Mode::kReadOnly, 1000)),
        row(db, "SELECT value FROM kv WHERE namespace = ?1 AND key = ?2") {}
  metad::Database db;
  metad::Statement row;
};

Visibility::Visibility(const std::vector<std::string>& files) : probes_(files.size()) {
  for (const std::string& file : files) watchers_.push_back(std::make_unique<Watcher>(file));
  thread_ = std::thread([this] { run(); });
}

Visibility::~Visibility() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  thread_.join();
}

void Visibility::sent(std::uint8_t node, std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  probes_[node][number].seen_ns.resize(probes_.size());
}

void Visibility::committed(std::uint8_t node, std::uint64_t number, std::int64_t committed_ns) {
  const std::lock_guard lock(mutex_);
  const auto probe = probes_[node].find(number);
  if (probe == probes_[node].end()) return;
  probe->second.committed_ns = committed_ns;
  if (settle(probe->second, node)) probes_[node].erase(probe);
}

void Visibility::failed(std::uint8_t node, std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  probes_[node].erase(number);
}

Histogram Visibility::take() {
  const std::lock_guard lock(mutex_);
  Histogram taken = found_;
  found_.clear();
  return taken;
}

std::pair<std::size_t, double> Visibility::waiting() const {
  const std::lock_guard lock(mutex_);
  std::size_t count = 0;
  double oldest_s = 0;
  for (const auto& of_node : probes_) {
    for (const auto& [number, probe] : of_node) {
      if (probe.committed_ns == 0) continue;
      ++count;
      oldest_s = std::max(oldest_s, static_cast<double>(monotonic_ns() - probe.committed_ns) / 1e9);
    }
  }
  return {count, oldest_s};
}

// Counts a probe that was committed and is seen everywhere.
bool Visibility::settle(Probe& probe, std::size_t origin) {
  if (probe.committed_ns == 0) return false;
  for (std::size_t node = 0; node < probe.seen_ns.size(); ++node) {
    if (node != origin && probe.seen_ns[node] == 0) return false;
  }
  for (std::size_t node = 0; node < probe.seen_ns.size(); ++node) {
    if (node != origin) found_.record(probe.seen_ns[node] - probe.committed_ns);
  }
  return true;
}

void Visibility::look(std::size_t node) {
  for (std::size_t origin = 0; origin < probes_.size(); ++origin) {
    if (origin == node) continue;
    {
      const std::lock_guard lock(mutex_);
      bool is_awaited = false;
      for (const auto& [number, probe] : probes_[origin]) is_awaited = is_awaited || probe.seen_ns[node] == 0;
      if (!is_awaited) continue;
    }
    const std::string key = "n" + std::to_string(origin);
    std::uint64_t number = 0;
    {
      metad::Statement& row = watchers_[node]->row;
      const metad::ResetAtEnd at_end(row);
      row.bind(1, std::string_view(kProbeSpace)).bind(2, key);
      if (!row.step()) continue;
      number = token_of(row.text(0));
    }
    const std::int64_t now_ns = monotonic_ns();
    const std::lock_guard lock(mutex_);
    for (auto it = probes_[origin].begin(); it != probes_[origin].end() && it->first <= number;) {
      if (it->second.seen_ns[node] == 0) it->second.seen_ns[node] = now_ns;
      it = settle(it->second, origin) ? probes_[origin].erase(it) : std::next(it);
    }
  }
}

void Visibility::run() {
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (ending_) return;
    }
    for (std::size_t node = 0; node < watchers_.size(); ++node) {
      try {
        look(node);
      } catch (const metad::SqliteError&) {
        // Locked for a moment, at most: what it has is seen the next time.
      }
    }
    std::this_thread::sleep_for(kLookEvery);
  }
}

}  // namespace load
