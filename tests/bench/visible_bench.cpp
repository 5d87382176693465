#include "tests/bench/visible_bench.h"

#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include "tests/bench/workload.h"

namespace colony::bench {
namespace {

constexpr std::size_t kNodes = LoopbackColony::kNodes;

struct Load {
  std::string key;
  std::string title;
  std::size_t writers;   // on so many nodes
  double commits_per_s;  // of each of them
  double seconds;

  std::size_t commits() const { return static_cast<std::size_t>(commits_per_s * seconds); }
};

// The keys of a load's rows: they say which commit of which node they are of.
std::string key_prefix(const Load& load, std::size_t node) { return load.key + "/" + LoopbackColony::name(node) + "/"; }

void sleep_until(std::int64_t ns) {
  const timespec time{ns / 1'000'000'000, ns % 1'000'000'000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr) == EINTR) {
  }
}

// Per commit: when it was due, and when COMMIT had returned.
std::vector<std::int64_t> write_rows(const Load& load, const std::string& file, std::size_t node,
                                     const std::string& extension, std::int64_t start_ns) {
  prctl(PR_SET_TIMERSLACK, 1);
  App app(file, objects_table(), extension);
  std::mt19937_64 random(static_cast<std::uint64_t>(start_ns) + node);  // rows that are nowhere yet
  std::vector<std::int64_t> times;
  times.reserve(2 * load.commits());
  for (std::size_t i = 0; i < load.commits(); ++i) {
    const auto due = start_ns + static_cast<std::int64_t>(static_cast<double>(i) / load.commits_per_s * 1e9);
    RowChange change{Verb::kInsert, objects_table().row(random, static_cast<std::int64_t>(i))};
    change.parameters.front().bytes = key_prefix(load, node) + fmt::format("{:08}", i);
    const std::vector<RowChange> changes = {std::move(change)};
    sleep_until(due);
    app.execute(changes, 1);
    times.push_back(due);
    times.push_back(now_ns());
  }
  return times;
}

// Sleeps until somebody has written to the file, cheaply and without missing it.
class WalWatch {
 public:
  explicit WalWatch(const std::string& file) : inotify_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    if (inotify_ < 0 || inotify_add_watch(inotify_, (file + "-wal").c_str(), IN_MODIFY) < 0) {
      throw Error("cannot watch " + file);
    }
  }

  // The last frame is written a moment before the commit counts, and nothing tells
  // of that: hence a few more looks after each event, at growing distances.
  void wait() {
    constexpr std::array<std::int64_t, 4> kLooksAfter_us = {50, 100, 200, 400};
    const std::int64_t pause_us = looks_ < kLooksAfter_us.size() ? kLooksAfter_us[looks_] : 100'000;
    const timespec pause{0, pause_us * 1000};
    pollfd file{inotify_, POLLIN, 0};
    if (ppoll(&file, 1, &pause, nullptr) == 0) {
      ++looks_;
      return;
    }
    looks_ = 0;
    while (read(inotify_, events_.data(), events_.size()) > 0) {
    }
  }

 private:
  int inotify_;  // until the process ends
  std::size_t looks_ = 0;
  std::array<char, 16384> events_{};
};

// Per writing node and commit: when the row was seen here.
std::vector<std::int64_t> watch_rows(const Load& load, const std::string& file, std::size_t node,
                                     const std::function<void()>& ready, double timeout_s) {
  prctl(PR_SET_TIMERSLACK, 1);
  Database db(file, Database::Mode::kReadOnly);
  sqlite3_busy_timeout(db.handle(), 1000);
  Statement version(db, "PRAGMA data_version");
  Statement rows(db, "SELECT key FROM objects WHERE key > ?1 AND key < ?2 ORDER BY key");
  std::vector<std::int64_t> seen(load.writers * load.commits(), 0);
  std::vector<std::string> last;
  std::size_t left = 0;
  for (std::size_t writer = 0; writer < load.writers; ++writer) {
    last.push_back(key_prefix(load, writer));
    if (writer != node) left += load.commits();
  }
  WalWatch watch(file);
  std::int64_t known_version = -1;
  const auto look = [&] {
    version.step();
    const std::int64_t now_version = version.integer(0);
    version.reset();
    if (now_version == known_version) return;
    known_version = now_version;
    for (std::size_t writer = 0; writer < load.writers; ++writer) {
      if (writer == node) continue;
      const std::string end = key_prefix(load, writer) + "~";
      const std::string begin = last[writer];
      rows.bind(1, std::string_view(begin)).bind(2, std::string_view(end));
      while (rows.step()) {
        last[writer] = rows.text(0);
        const auto number = std::stoull(last[writer].substr(last[writer].rfind('/') + 1));
        seen[writer * load.commits() + number] = now_ns();
        --left;
      }
      rows.reset();
    }
  };
  look();
  ready();
  const std::int64_t deadline = now_ns() + static_cast<std::int64_t>(timeout_s * 1e9);
  while (left > 0 && now_ns() < deadline) {
    watch.wait();
    look();
  }
  return seen;
}

struct Latencies {
  std::vector<double> from_commit_ms;
  std::vector<double> from_due_ms;
  std::size_t unseen = 0;
};

Latencies latencies_of(const Load& load, const std::vector<std::vector<std::int64_t>>& written,
                       const std::vector<std::vector<std::int64_t>>& seen) {
  Latencies latencies;
  for (std::size_t writer = 0; writer < load.writers; ++writer) {
    for (std::size_t i = 0; i < load.commits(); ++i) {
      std::int64_t last = 0;
      bool everywhere = true;
      for (std::size_t node = 0; node < kNodes; ++node) {
        if (node == writer) continue;
        const std::int64_t at = seen[node][writer * load.commits() + i];
        everywhere &= at != 0;
        last = std::max(last, at);
      }
      if (!everywhere) {
        ++latencies.unseen;
        continue;
      }
      latencies.from_due_ms.push_back(static_cast<double>(last - written[writer][2 * i]) / 1e6);
      latencies.from_commit_ms.push_back(static_cast<double>(last - written[writer][2 * i + 1]) / 1e6);
    }
  }
  return latencies;
}

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
};

Outcome run(const Settings& settings, LoopbackColony& colony, const Load& load) {
  show_progress(fmt::format("{}, {} s", load.title, load.seconds));
  std::deque<Fork> watchers, writers;
  for (std::size_t node = 0; node < kNodes; ++node) {
    watchers.emplace_back([&, node](const std::function<void()>& ready) {
      return watch_rows(load, colony.file(node), node, ready, load.seconds + 20);
    });
  }
  for (Fork& watcher : watchers) watcher.await_ready();
  const CpuUse cpu(colony);
  const std::int64_t start_ns = now_ns() + 300'000'000;
  for (std::size_t node = 0; node < load.writers; ++node) {
    writers.emplace_back([&, node](const std::function<void()>&) {
      // Writers take turns evenly instead of all at once.
      const double offset_s = static_cast<double>(node) / static_cast<double>(load.writers) / load.commits_per_s;
      return write_rows(load, colony.file(node), node, settings.extension,
                        start_ns + static_cast<std::int64_t>(offset_s * 1e9));
    });
  }
  std::vector<std::vector<std::int64_t>> written, seen;
  for (Fork& writer : writers) written.push_back(writer.result());
  Outcome outcome;
  outcome.cpu = cpu.percent();
  for (Fork& watcher : watchers) seen.push_back(watcher.result());
  show_progress("");
  outcome.latencies = latencies_of(load, written, seen);
  return outcome;
}

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

  figures.group("Idle, after the above: the sidecar that uses most");
  figures.add("idle_cpu_percent", "CPU, % of a core", *std::max_element(use.sidecars.begin(), use.sidecars.end()),
              at_most(0.1));
  figures.add("idle_wakeups_per_s", "times a thread woke up, per second",
              static_cast<double>(woken) / settings.idle_seconds());
  figures.add("idle_broker_cpu_percent", "CPU of the broker, % of a core", use.broker);
  figures.add("rss_mib", "resident memory, MiB", resident, at_most(25));
  figures.add("rss_anonymous_mib", "of that its own, not mapped files, MiB", anonymous);
}

}  // namespace colony::bench
