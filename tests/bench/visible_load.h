// A load whose commits are looked for on all other nodes.
//
// Writers commit one row at a time, in step with the clock and not with the
// answers (an open loop). On each other node a reader, woken by inotify on the
// write-ahead log, looks for new rows. The time of a commit is from when COMMIT
// returned in the writer to when the last of the three readers had the row in its
// hands: the readers' own waking up and query are in it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/bench/loopback_colony.h"
#include "tests/bench/process.h"
#include "tests/bench/rounds.h"
#include "tests/bench/settings.h"

namespace colony::bench {

inline constexpr std::size_t kNodes = LoopbackColony::kNodes;

struct Load {
  std::string key;
  std::string title;
  std::size_t writers;   // on so many nodes
  double commits_per_s;  // of each of them
  double seconds;
  const char* synchronous = "NORMAL";  // of the writers

  std::size_t commits() const { return static_cast<std::size_t>(commits_per_s * seconds); }
};

struct Latencies {
  std::vector<double> from_commit_ms;
  std::vector<double> from_due_ms;
  std::size_t unseen = 0;
};

// What the sidecars and the broker use of a CPU while it runs, and what everybody
// uses of all of them, in percent.
class CpuUse {
 public:
  explicit CpuUse(const LoopbackColony& colony)
      : colony_(colony), begin_ns_(now_ns()), before_(now()), machine_before_(machine_time()) {}

  struct Percent {
    std::array<double, kNodes> sidecars;
    double broker;
    double machine;
  };
  Percent percent() const {
    const double seconds = static_cast<double>(now_ns() - begin_ns_) / 1e9;
    const Percent after = now();
    Percent use{};
    for (std::size_t i = 0; i < kNodes; ++i) {
      use.sidecars[i] = (after.sidecars[i] - before_.sidecars[i]) / seconds * 100;
    }
    use.broker = (after.broker - before_.broker) / seconds * 100;
    const MachineTime machine = machine_time();
    use.machine = (machine.busy - machine_before_.busy) / (machine.all - machine_before_.all) * 100;
    return use;
  }

 private:
  Percent now() const {  // in seconds
    Percent use{};
    for (std::size_t i = 0; i < kNodes; ++i) use.sidecars[i] = cpu_seconds(colony_.sidecar(i));
    use.broker = cpu_seconds(colony_.broker());
    return use;
  }

  const LoopbackColony& colony_;
  std::int64_t begin_ns_;
  Percent before_;
  MachineTime machine_before_;
};

struct Outcome {
  Latencies latencies;
  CpuUse::Percent cpu;
  double seconds = 0;  // from the first commit's being due to the last one's being seen
};

// Until all commits were seen everywhere, or for 20 s longer than the load takes.
Outcome run(const Settings& settings, LoopbackColony& colony, const Load& load);

void sleep_until(std::int64_t ns);

}  // namespace colony::bench
