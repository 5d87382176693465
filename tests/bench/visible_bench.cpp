#include "tests/bench/visible_bench.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>

#include "tests/bench/rounds.h"
#include "tests/bench/visible_load.h"

namespace colony::bench {
namespace {

void report(Figures& figures, const Load& load, const Outcome& outcome, bool headline) {
  const auto goal = [&](double limit) { return headline ? std::optional(at_most(limit)) : std::nullopt; };
  const std::vector<double>& ms = outcome.latencies.from_commit_ms;
  const std::vector<double>& due = outcome.latencies.from_due_ms;
  figures.group(load.title);
  figures.add(load.key + "_ms_p50", "COMMIT to visible on the last of 3, ms, p50", percentile(ms, 50), goal(3));
  figures.add(load.key + "_ms_p99", "the same, p99", percentile(ms, 99), goal(15));
  figures.add(load.key + "_ms_p999", "the same, p99.9", percentile(ms, 99.9));
  figures.add(load.key + "_ms_max", "the same, the slowest", percentile(ms, 100));
  figures.add(load.key + "_from_due_ms_p50", "from when the commit was due, ms, p50", percentile(due, 50));
  figures.add(load.key + "_from_due_ms_p99", "the same, p99", percentile(due, 99));
  figures.add(load.key + "_commits", "commits seen everywhere", static_cast<double>(ms.size()));
  figures.add(load.key + "_unseen", "commits not seen in time", static_cast<double>(outcome.latencies.unseen),
              at_most(0));
  const auto& sidecars = outcome.cpu.sidecars;
  figures.add(load.key + "_writer_sidecar_cpu_percent", "CPU of node a's sidecar, % of a core", sidecars[0]);
  figures.add(load.key + "_other_sidecar_cpu_percent", "CPU of each other sidecar, % of a core",
              (sidecars[1] + sidecars[2] + sidecars[3]) / 3);
  figures.add(load.key + "_broker_cpu_percent", "CPU of the broker, % of a core", outcome.cpu.broker);
  figures.add(load.key + "_machine_cpu_percent", "CPU of everything that runs here, % of all cores",
              outcome.cpu.machine);
}

}  // namespace

void measure_visible(const Settings& settings, LoopbackColony& colony, Figures& figures) {
  const double seconds = settings.visible_seconds();
  const Load loads[] = {
      {"visible", "Visible, one node writes 500 commits/s", 1, 500, seconds},
      {"visible_all_write", "Visible, four nodes write 125 commits/s each", 4, 125, seconds},
      {"visible_lone", "Visible, one node writes 20 commits/s", 1, 20, seconds},
  };
  for (const Load& load : loads) {
    report(figures, load, run(settings, colony, load), &load == &loads[0]);
    colony.await_step();
  }
}

void measure_idle(const Settings& settings, LoopbackColony& colony, Figures& figures) {
  double resident = 0, anonymous = 0;
  for (std::size_t node = 0; node < kNodes; ++node) {
    const Memory memory = memory_of(colony.sidecar(node));
    resident = std::max(resident, memory.resident_mib);
    anonymous = std::max(anonymous, memory.anonymous_mib);
  }
  show_progress(fmt::format("idle, {} s", settings.idle_seconds()));
  sleep_until(now_ns() + 1'000'000'000);
  std::array<std::int64_t, kNodes> switches{};
  for (std::size_t node = 0; node < kNodes; ++node) switches[node] = context_switches(colony.sidecar(node));
  const CpuUse cpu(colony);
  sleep_until(now_ns() + static_cast<std::int64_t>(settings.idle_seconds() * 1e9));
  const CpuUse::Percent use = cpu.percent();
  std::int64_t woken = 0;
  for (std::size_t node = 0; node < kNodes; ++node) {
    woken = std::max(woken, context_switches(colony.sidecar(node)) - switches[node]);
  }
  show_progress("");

  const bool is_wal = settings.captures_from_log;
  const std::string key = is_wal ? "wal_" : "";
  figures.group(std::string("Idle, after the above: the sidecar that uses most") + (is_wal ? ", wal mode" : ""));
  figures.add(key + "idle_cpu_percent", "CPU, % of a core", *std::max_element(use.sidecars.begin(), use.sidecars.end()),
              at_most(0.1));
  figures.add(key + "idle_wakeups_per_s", "times a thread woke up, per second",
              static_cast<double>(woken) / settings.idle_seconds());
  figures.add(key + "idle_broker_cpu_percent", "CPU of the broker, % of a core", use.broker);
  figures.add(key + "rss_mib", "resident memory, MiB", resident, at_most(25));
  figures.add(key + "rss_anonymous_mib", "of that its own, not mapped files, MiB", anonymous);
}

}  // namespace colony::bench
