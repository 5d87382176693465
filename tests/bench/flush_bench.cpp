#include "tests/bench/flush_bench.h"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/rounds.h"
#include "tests/bench/visible_load.h"

namespace colony::bench {
namespace {

constexpr std::array<const char*, 2> kFlush = {"before-send", "never"};

// Of each round.
struct Rounds {
  std::vector<double> ms_p50, ms_p99, shipped_per_s;
};

std::unique_ptr<LoopbackColony> make_colony(const Settings& settings, const char* flush) {
  Settings own = settings;
  own.directory /= std::string("flush ") + flush;
  std::filesystem::create_directories(own.directory);
  own.run_flags = {"--flush", flush};
  return std::make_unique<LoopbackColony>(own);
}

// Rows that are nowhere yet.
std::string next_key() {
  static int loads = 0;
  return fmt::format("flush{}", ++loads);
}

void take_round(const Settings& settings, LoopbackColony& colony, const char* synchronous, Rounds& rounds) {
  Load load{next_key(), fmt::format("flush, synchronous={}", synchronous), 1, 100, settings.flush_seconds(),
            synchronous};
  const std::vector<double> ms = run(settings, colony, load).latencies.from_commit_ms;
  rounds.ms_p50.push_back(percentile(ms, 50));
  rounds.ms_p99.push_back(percentile(ms, 99));
  colony.await_step();
  load.key = next_key();
  load.commits_per_s = 1e6;  // due long before they can be done
  load.seconds = static_cast<double>(settings.flush_commits()) / load.commits_per_s;
  rounds.shipped_per_s.push_back(static_cast<double>(load.commits()) / run(settings, colony, load).seconds);
  colony.await_step();
}

void report(Figures& figures, const std::string& synchronous, const std::array<Rounds, 2>& rounds) {
  figures.group("Flush before sending, programs with synchronous=" + synchronous);
  std::string prefix = "flush_" + synchronous;
  for (std::size_t i = 0; i < kFlush.size(); ++i) {
    const std::string key = prefix + (i == 0 ? "_before_send" : "_never");
    const std::string mode = std::string(", --flush ") + kFlush[i];
    figures.add(key + "_ms_p50", "COMMIT to visible on the last of 3, 100 commits/s, ms, p50" + mode,
                summarize(rounds[i].ms_p50));
    figures.add(key + "_ms_p99", "the same, p99" + mode, summarize(rounds[i].ms_p99));
    figures.add(key + "_shipped_per_s", "commits/s until all are seen everywhere" + mode,
                summarize(rounds[i].shipped_per_s));
  }
  figures.add(prefix + "_ratio_p50", "p50, before-send : never", ratio(rounds[0].ms_p50, rounds[1].ms_p50));
  figures.add(prefix + "_ratio_shipped", "commits/s, before-send : never",
              ratio(rounds[0].shipped_per_s, rounds[1].shipped_per_s));
}

}  // namespace

void measure_flush(const Settings& settings, Figures& figures) {
  std::array<std::unique_ptr<LoopbackColony>, 2> colonies;
  for (std::size_t i = 0; i < kFlush.size(); ++i) colonies[i] = make_colony(settings, kFlush[i]);
  for (const char* synchronous : {"NORMAL", "FULL"}) {
    std::array<Rounds, 2> rounds;
    for (int round = 0; round < settings.flush_rounds(); ++round) {
      for (std::size_t i = 0; i < kFlush.size(); ++i) take_round(settings, *colonies[i], synchronous, rounds[i]);
    }
    report(figures, synchronous == std::string("NORMAL") ? "normal" : "full", rounds);
  }
}

}  // namespace colony::bench
