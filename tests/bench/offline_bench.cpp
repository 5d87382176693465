#include "tests/bench/offline_bench.h"

#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>

#include "tests/bench/loopback_colony.h"
#include "tests/bench/process.h"
#include "tests/bench/shared_flag.h"
#include "tests/bench/workload.h"

namespace colony::bench {
namespace {

constexpr std::size_t kRowsPerTransaction = 10;
constexpr std::int64_t kPause_ns = 5'000'000;
constexpr int kPatience_s = 1800;

RowChange change_of(Verb verb, const std::string& key, std::mt19937_64& random, std::int64_t number) {
  RowChange change{verb, objects_table().row(random, number)};
  change.parameters.front().bytes = key;
  return change;
}

void write(const Settings& settings, const std::string& file, std::int64_t rows,
           const std::function<RowChange(std::int64_t)>& change) {
  Fork([&](const std::function<void()>&) {
    App app(file, objects_table(), settings.extension);
    std::vector<RowChange> batch;
    for (std::int64_t i = 0; i < rows;) {
      batch.clear();
      for (; i < rows && batch.size() < 1000; ++i) batch.push_back(change(i));
      app.execute(batch, kRowsPerTransaction);
    }
    return std::vector<std::int64_t>();
  }).result();
}

// Nine of ten are rows of this node's, the tenth one of those that all share.
void write_offline(const Settings& settings, const LoopbackColony& colony, std::size_t node, std::int64_t rows) {
  std::mt19937_64 random(node + 77);
  write(settings, colony.file(node), rows, [&, node](std::int64_t i) {
    if (i % 10 == 0) return change_of(Verb::kUpdate, fmt::format("shared/{:08}", i / 10), random, i);
    return change_of(Verb::kInsert, fmt::format("{}/{:08}", LoopbackColony::name(node), i), random, i);
  });
}

// Per row, how long its commit took, in nanoseconds.
std::vector<std::int64_t> write_until(const SharedFlag& stop, const std::string& file, const std::string& extension) {
  App app(file, objects_table(), extension);
  std::mt19937_64 random(4711);
  std::vector<std::int64_t> took;
  while (!stop.is_set()) {
    const std::vector<RowChange> row = {
        change_of(Verb::kInsert, fmt::format("meanwhile/{:08}", took.size()), random, 0)};
    const std::int64_t begin = now_ns();
    app.execute(row, 1);
    took.push_back(now_ns() - begin);
    const timespec pause{0, kPause_ns};
    nanosleep(&pause, nullptr);
  }
  return took;
}

struct OfflineOutcome {
  double caught_up_s = 0;
  double everywhere_s = 0;
  std::vector<double> stalls_ms;
  double peak_mib = 0;
  double wal_mib = 0;
};

OfflineOutcome run(const Settings& settings, std::int64_t rows) {
  Settings own = settings;
  own.directory = settings.directory / fmt::format("offline {}", rows);
  std::filesystem::create_directories(own.directory);
  LoopbackColony colony(own, objects_table(), 2);
  std::mt19937_64 random(3);
  show_progress(fmt::format("offline: {} rows are written on both nodes", rows));
  write(settings, colony.file(0), rows / 10,
        [&](std::int64_t i) { return change_of(Verb::kInsert, fmt::format("shared/{:08}", i), random, i); });
  colony.await_step(kPatience_s);
  colony.await_step(kPatience_s);
  colony.stop_sidecar(0);
  write_offline(settings, colony, 0, rows);
  write_offline(settings, colony, 1, rows);
  colony.await_step_of(1, kPatience_s);

  show_progress(fmt::format("offline: catching up with {} rows", rows));
  SharedFlag stop;
  Fork writer([&](const std::function<void()>&) { return write_until(stop, colony.file(0), settings.extension); });
  OfflineOutcome outcome;
  const std::int64_t begin = now_ns();
  colony.start_sidecar(0);
  colony.await_step_of(0, kPatience_s);
  outcome.caught_up_s = static_cast<double>(now_ns() - begin) / 1e9;
  outcome.peak_mib = memory_of(colony.sidecar(0)).peak_resident_mib;
  colony.await_step_of(1, kPatience_s);
  outcome.everywhere_s = static_cast<double>(now_ns() - begin) / 1e9;
  stop.set();
  for (const std::int64_t ns : writer.result()) outcome.stalls_ms.push_back(static_cast<double>(ns) / 1e6);
  struct stat wal {};
  if (stat((colony.file(0) + "-wal").c_str(), &wal) == 0) {
    outcome.wal_mib = static_cast<double>(wal.st_size) / (1 << 20);  // it never shrinks
  }
  colony.await_step(kPatience_s);
  colony.await_step(kPatience_s);
  Program({settings.program, "verify", colony.file(0), "--timeout", "120"}, own.directory / "verify").finish();
  show_progress("");
  return outcome;
}

void report(Figures& figures, const std::string& key, std::int64_t rows, const OfflineOutcome& outcome) {
  const std::vector<double>& ms = outcome.stalls_ms;
  const auto over = std::count_if(ms.begin(), ms.end(), [](double stall) { return stall > 100; });
  figures.group(fmt::format("Offline: {} rows pending here, as many missed, a tenth the same", rows));
  figures.add(key + "_caught_up_s", "until all missed is absorbed and all pending is in the log, s",
              outcome.caught_up_s);
  figures.add(key + "_everywhere_s", "until the other node has it, s", outcome.everywhere_s);
  figures.add(key + "_commit_ms_p50", "the app's commits meanwhile, ms, p50", percentile(ms, 50));
  figures.add(key + "_commit_ms_p999", "the same, p99.9", percentile(ms, 99.9));
  figures.add(key + "_commit_ms_max", "the same, the slowest", percentile(ms, 100), at_most(100));
  figures.add(key + "_commits_over_100_ms", "commits that took over 100 ms", static_cast<double>(over), at_most(0));
  figures.add(key + "_commits", "commits meanwhile", static_cast<double>(ms.size()));
  figures.add(key + "_peak_mib", "the sidecar's resident memory at most, MiB", outcome.peak_mib);
  figures.add(key + "_wal_mib", "the write-ahead log at most, MiB", outcome.wal_mib);
}

}  // namespace

void measure_offline(const Settings& settings, Figures& figures) {
  const std::int64_t rows = settings.offline_rows();
  const OfflineOutcome tenth = run(settings, rows / 10);
  const OfflineOutcome whole = run(settings, rows);
  report(figures, "offline_tenth", rows / 10, tenth);
  report(figures, "offline", rows, whole);
  figures.add("offline_ratio", "time against that of a tenth of the rows", whole.caught_up_s / tenth.caught_up_s,
              at_most(15));
}

}  // namespace colony::bench
