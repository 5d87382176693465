#include "tests/bench/wal_bench.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/bench/change_triggers.h"
#include "tests/bench/loopback_colony.h"
#include "tests/bench/process.h"
#include "tests/bench/visible_bench.h"
#include "tests/bench/visible_load.h"
#include "tests/bench/workload.h"

namespace colony::bench {
namespace {

enum Variant : std::size_t { kPlain, kRowCopies, kSession, kWal, kVariants };

Settings in_folder(const Settings& settings, const char* folder, bool captures_from_log) {
  Settings own = settings;
  own.captures_from_log = captures_from_log;
  own.directory = settings.directory / folder;
  std::filesystem::create_directories(own.directory);
  return own;
}

// Two plain files and two colonies of one node, and an app on each.
class WalFiles {
 public:
  explicit WalFiles(const Settings& settings)
      : workload_(objects_table()),
        session_(in_folder(settings, "session alone", false), objects_table(), 1),
        wal_(in_folder(settings, "wal alone", true), objects_table(), 1) {
    const std::vector<RowChange> rows = workload_.next(Verb::kInsert, kRowsAtStart);
    paths_ = {settings.directory / "wal plain.db", settings.directory / "wal row copies.db", session_.file(0),
              wal_.file(0)};
    for (const Variant plain : {kPlain, kRowCopies}) create_file(paths_[plain], objects_table(), rows);
    Database(paths_[kRowCopies], Database::Mode::kReadWrite).execute(row_copy_triggers(objects_table()));
    for (std::size_t i = 0; i < kVariants; ++i) {
      const auto extension = i == kSession ? std::optional(settings.extension.string()) : std::nullopt;
      apps_[i] = std::make_unique<App>(paths_[i], objects_table(), extension);
    }
    drain();
  }

  Workload& workload() { return workload_; }
  App& app(std::size_t variant) { return *apps_[variant]; }

  // Of the variant's sidecar so far.
  double sidecar_cpu_s(std::size_t variant) const {
    return variant == kSession ? cpu_seconds(session_.sidecar(0)) : variant == kWal ? cpu_seconds(wal_.sidecar(0)) : 0;
  }
  void await_sidecar(std::size_t variant) {
    if (variant == kSession) session_.await_step();
    if (variant == kWal) wal_.await_step();
  }
  std::string log(std::size_t variant) const { return paths_[variant] + "-wal"; }

  // What nobody else does.
  void drain() {
    app(kRowCopies).database().execute(empty_row_copies(objects_table()));
    app(kPlain).checkpoint();
    app(kRowCopies).checkpoint();
  }

 private:
  Workload workload_;
  LoopbackColony session_, wal_;
  std::array<std::string, kVariants> paths_;
  std::array<std::unique_ptr<App>, kVariants> apps_;
};

// How long a write-ahead log gets while this lives.
class LogLength {
 public:
  explicit LogLength(std::string log) : log_(std::move(log)), watching_([this] { watch(); }) {}
  ~LogLength() { stop(); }
  LogLength(const LogLength&) = delete;
  LogLength& operator=(const LogLength&) = delete;

  double stop() {
    stopping_ = true;
    if (watching_.joinable()) watching_.join();
    return static_cast<double>(bytes_) / (1 << 20);
  }

 private:
  void watch() {
    while (!stopping_) {
      std::error_code none;
      const std::uintmax_t bytes = std::filesystem::file_size(log_, none);
      if (!none) bytes_ = std::max(bytes_, bytes);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  const std::string log_;
  std::uintmax_t bytes_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread watching_;  // last: it uses the others
};

// By variant and round.
struct WalRates {
  RoundRates rows_per_s{kVariants};
  RoundRates program_us{kVariants};  // of processor time, per row
  RoundRates sidecar_us{kVariants};
  RoundRates log_mib{kVariants};
};

WalRates measure(const Settings& settings, WalFiles& files, const std::string& title, std::size_t rows) {
  std::size_t count = 2 * std::max<std::size_t>(rows, 100);  // of each verb
  std::array<std::vector<RowChange>, 3> changes;
  const auto generate = [&](int) {
    for (const Verb verb : kVerbs) changes[static_cast<std::size_t>(verb)] = files.workload().next(verb, count);
    files.drain();
  };
  WalRates rates;
  const auto run = [&](std::size_t variant) {
    const double sidecar_before = files.sidecar_cpu_s(variant);
    Spent sum;
    LogLength length(files.log(variant));
    for (const std::vector<RowChange>& of_verb : changes) {
      sum += spent_on([&] { files.app(variant).execute(of_verb, rows); });
    }
    rates.log_mib[variant].push_back(length.stop());
    files.await_sidecar(variant);
    const double rows_sum = 3 * static_cast<double>(count);
    rates.program_us[variant].push_back(sum.cpu_seconds / rows_sum * 1e6);
    rates.sidecar_us[variant].push_back((files.sidecar_cpu_s(variant) - sidecar_before) / rows_sum * 1e6);
    return rows_sum / sum.seconds;
  };
  const RoundRates trial = take_turns(title + ": warming up", 3, kVariants, generate, run);
  const double wanted = summarize(trial[kPlain]).median * settings.round_seconds() / 3;
  count = std::max<std::size_t>(1, static_cast<std::size_t>(wanted) / rows) * rows;
  rates = {};
  rates.rows_per_s = take_turns(title, settings.rounds(), kVariants, generate, run);
  return rates;
}

// What session mode adds to a row: in the program, and in the sidecar.
std::vector<double> session_cost(const WalRates& rates) {
  std::vector<double> cost;
  for (std::size_t i = 0; i < rates.sidecar_us[kSession].size(); ++i) {
    cost.push_back(rates.program_us[kSession][i] - rates.program_us[kPlain][i] + rates.sidecar_us[kSession][i]);
  }
  return cost;
}

void report(Figures& figures, const WalRates& rates, const std::string& prefix) {
  const RoundRates& all = rates.rows_per_s;
  figures.add(prefix + "_ratio", "wal mode / plain", ratio(all[kWal], all[kPlain]), at_least(0.97));
  figures.add(prefix + "_session_ratio", "session mode / plain", ratio(all[kSession], all[kPlain]));
  figures.add(prefix + "_triggers_ratio", "row-copy triggers / plain", ratio(all[kRowCopies], all[kPlain]));
  figures.add(prefix + "_program_cpu_ratio", "plain / wal mode, the program's processor time per row",
              ratio(rates.program_us[kPlain], rates.program_us[kWal]));
  figures.add(prefix + "_plain_rows_per_s", "plain, rows/s", summarize(all[kPlain]));
  figures.add(prefix + "_cpu_ratio", "processor time that the wal sidecar / session mode adds to a row",
              ratio(rates.sidecar_us[kWal], session_cost(rates)), at_most(1.5));
  figures.add(prefix + "_sidecar_us_per_row", "wal mode: the sidecar, us of processor time per row",
              summarize(rates.sidecar_us[kWal]));
  figures.add(prefix + "_session_sidecar_us_per_row", "session mode: the sidecar, the same",
              summarize(rates.sidecar_us[kSession]));
  figures.add(prefix + "_program_us_per_row", "wal mode: the program, the same", summarize(rates.program_us[kWal]));
  figures.add(prefix + "_session_program_us_per_row", "session mode: the program, the same",
              summarize(rates.program_us[kSession]));
  figures.add(prefix + "_plain_program_us_per_row", "plain: the program, the same",
              summarize(rates.program_us[kPlain]));
  figures.add(prefix + "_log_mib", "wal mode: the write-ahead log at its longest, MiB", summarize(rates.log_mib[kWal]));
  figures.add(prefix + "_session_log_mib", "session mode: the same", summarize(rates.log_mib[kSession]));
  figures.add(prefix + "_plain_log_mib", "plain: the same", summarize(rates.log_mib[kPlain]));
}

void measure_rates(const Settings& settings, Figures& figures) {
  WalFiles files(settings);
  for (const auto& [rows, prefix] : {std::pair<std::size_t, const char*>{1, "wal_single"}, {1000, "wal_bulk"}}) {
    figures.group(fmt::format("Capture from the write-ahead log, {} a transaction, sidecars running",
                              rows == 1 ? "one row" : "1000 rows"));
    report(figures, measure(settings, files, fmt::format("wal, {} rows", rows), rows), prefix);
  }
}

struct Visible {
  std::vector<double> p50_ms, p99_ms, log_mib;  // by round
};

// The same load on a colony of each mode, in turns.
void measure_both_visible(const Settings& settings, Figures& figures) {
  const std::array<Settings, 2> modes = {in_folder(settings, "session", false), in_folder(settings, "wal", true)};
  std::array<std::unique_ptr<LoopbackColony>, 2> colonies;
  for (std::size_t mode = 0; mode < 2; ++mode) colonies[mode] = std::make_unique<LoopbackColony>(modes[mode]);
  std::array<Visible, 2> visible;
  for (int round = 0; round < settings.flush_rounds(); ++round) {
    for (std::size_t mode = 0; mode < 2; ++mode) {
      const Load load{fmt::format("wal {} {}", mode, round), "Visible, 500 commits/s, either mode", 1, 500,
                      settings.flush_seconds()};
      LogLength length(colonies[mode]->file(0) + "-wal");
      const std::vector<double> ms = run(modes[mode], *colonies[mode], load).latencies.from_commit_ms;
      visible[mode].log_mib.push_back(length.stop());
      visible[mode].p50_ms.push_back(percentile(ms, 50));
      visible[mode].p99_ms.push_back(percentile(ms, 99));
      colonies[mode]->await_step();
    }
  }
  figures.group("Visible, one node writes 500 commits/s, session and wal mode in turns");
  figures.add("wal_visible_ms_p50", "wal mode: COMMIT to visible on the last of 3, ms, p50",
              summarize(visible[1].p50_ms), at_most(4));
  figures.add("wal_visible_ms_p99", "the same, p99", summarize(visible[1].p99_ms), at_most(20));
  figures.add("wal_visible_session_ms_p50", "session mode: the same, p50", summarize(visible[0].p50_ms));
  figures.add("wal_visible_session_ms_p99", "the same, p99", summarize(visible[0].p99_ms));
  figures.add("wal_visible_log_mib", "wal mode: the write-ahead log at its longest, MiB",
              summarize(visible[1].log_mib));
  figures.add("wal_visible_session_log_mib", "session mode: the same", summarize(visible[0].log_mib));
  colonies[0].reset();
  measure_idle(modes[1], *colonies[1], figures);
}

}  // namespace

void measure_wal(const Settings& settings, Figures& figures) {
  measure_rates(settings, figures);
  measure_both_visible(settings, figures);
}

}  // namespace colony::bench
