#include "tests/bench/capture_bench.h"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <memory>

#include "tests/bench/change_triggers.h"
#include "tests/bench/process.h"
#include "tests/bench/workload.h"

namespace colony::bench {
namespace {

enum Variant : std::size_t { kPlain, kCaptured, kRowCopies, kJson, kOwnOutbox, kVariants };

// The three files, and an app on each.
class CaptureFiles {
 public:
  CaptureFiles(const Settings& settings, const TableKind& kind, const std::filesystem::path& directory)
      : kind_(kind), workload_(kind) {
    std::filesystem::create_directories(directory);
    const std::vector<RowChange> rows = workload_.next(Verb::kInsert, kRowsAtStart);
    const std::array<std::string, kVariants> paths = {directory / "plain.db", directory / "captured.db",
                                                      directory / "row_copies.db", directory / "json.db",
                                                      directory / "own_outbox.db"};
    for (const std::string& path : paths) create_file(path, kind, rows);
    Program({settings.program, "init", paths[kCaptured], "--cluster", "bench", "--node", "a"}, directory / "init.log")
        .finish();
    Database(paths[kRowCopies], Database::Mode::kReadWrite).execute(row_copy_triggers(kind));
    Database(paths[kJson], Database::Mode::kReadWrite).execute(json_triggers(kind));
    for (std::size_t i = 0; i < kVariants; ++i) {
      const auto extension = i == kCaptured ? std::optional(settings.extension.string()) : std::nullopt;
      apps_[i] = std::make_unique<App>(paths[i], kind, extension);
    }
    app(kOwnOutbox).keep_own_outbox();
  }

  Workload& workload() { return workload_; }
  App& app(std::size_t variant) { return *apps_[variant]; }

  // What the sidecar, or the reader of the triggers' log, does meanwhile.
  void drain() {
    app(kCaptured).database().execute(
        "BEGIN; UPDATE __colony_meta SET value = (SELECT max(piece) FROM __colony_outbox) "
        "WHERE key = 'absorbed' AND EXISTS(SELECT 1 FROM __colony_outbox); DELETE FROM __colony_outbox; COMMIT");
    app(kRowCopies).database().execute(empty_row_copies(kind_));
    app(kJson).database().execute(kEmptyJsonLog);
    app(kOwnOutbox).database().execute("DELETE FROM own_outbox");
    for (const auto& app : apps_) app->checkpoint();
  }

 private:
  const TableKind& kind_;
  Workload workload_;
  std::array<std::unique_ptr<App>, kVariants> apps_;
};

// Rows per second, by variant and round.
struct CaptureRates {
  RoundRates all{kVariants};
  RoundRates by_cpu{kVariants};  // per second of CPU: what others do on the machine is not in it, nor is the disk
  std::array<RoundRates, 3> by_verb{RoundRates{kVariants}, RoundRates{kVariants}, RoundRates{kVariants}};
};

CaptureRates measure(const Settings& settings, CaptureFiles& files, const std::string& title, std::size_t rows) {
  // As many changes of each verb as plain SQLite makes in a third of a round; all
  // variants make the same ones.
  std::size_t count = 2 * std::max<std::size_t>(rows, 100);
  std::array<std::vector<RowChange>, 3> changes;
  const auto generate = [&](int) {
    for (const Verb verb : kVerbs) changes[static_cast<std::size_t>(verb)] = files.workload().next(verb, count);
    files.drain();
  };
  CaptureRates rates;
  const auto run = [&](std::size_t variant) {
    Spent sum;
    for (std::size_t verb = 0; verb < 3; ++verb) {
      const Spent spent = spent_on([&] { files.app(variant).execute(changes[verb], rows); });
      rates.by_verb[verb][variant].push_back(static_cast<double>(count) / spent.seconds);
      sum += spent;
    }
    const double rows_sum = 3 * static_cast<double>(count);
    rates.by_cpu[variant].push_back(rows_sum / sum.cpu_seconds);
    return rows_sum / sum.seconds;
  };
  const RoundRates trial = take_turns(title + ": warming up", 3, kVariants, generate, run);
  const double wanted = summarize(trial[kPlain]).median * settings.round_seconds() / 3;
  count = std::max<std::size_t>(1, static_cast<std::size_t>(wanted) / rows) * rows;
  rates = {};
  rates.all = take_turns(title, settings.rounds(), kVariants, generate, run);
  return rates;
}

void report(Figures& figures, const CaptureRates& rates, const std::string& prefix, bool headline, double target) {
  const RoundRates& all = rates.all;
  const auto goal = [&](double limit) { return headline ? std::optional(at_least(limit)) : std::nullopt; };
  figures.add(prefix + "_ratio", "captured / plain", ratio(all[kCaptured], all[kPlain]), goal(target));
  figures.add(prefix + "_cpu_ratio", "captured / plain, by CPU time",
              ratio(rates.by_cpu[kCaptured], rates.by_cpu[kPlain]));
  const bool single = prefix.ends_with("_single");
  // With one row a transaction the key has no word for it: capture_vs_triggers_ratio.
  const std::string versus = single ? prefix.substr(0, prefix.size() - 7) : prefix;
  figures.add(versus + "_vs_triggers_ratio", "captured / row-copy triggers", ratio(all[kCaptured], all[kRowCopies]),
              single ? goal(2) : std::nullopt);
  figures.add(versus + "_vs_triggers_limit", "plain / row-copy triggers: what free capture would reach",
              ratio(all[kPlain], all[kRowCopies]));
  figures.add(versus + "_vs_triggers_cpu_ratio", "captured / row-copy triggers, by CPU time",
              ratio(rates.by_cpu[kCaptured], rates.by_cpu[kRowCopies]));
  figures.add(versus + "_vs_json_triggers_ratio", "captured / triggers that note JSON",
              ratio(all[kCaptured], all[kJson]));
  figures.add(versus + "_vs_own_outbox_ratio", "captured / an app that writes an outbox row itself",
              ratio(all[kCaptured], all[kOwnOutbox]));
  figures.add(prefix + "_own_outbox_ratio", "an app that writes an outbox row itself / plain",
              ratio(all[kOwnOutbox], all[kPlain]));
  const char* const verbs[] = {"insert", "update", "delete"};
  for (std::size_t verb = 0; verb < 3; ++verb) {
    const RoundRates& of_verb = rates.by_verb[verb];
    figures.add(fmt::format("{}_{}_ratio", prefix, verbs[verb]), fmt::format("captured / plain, {}s", verbs[verb]),
                ratio(of_verb[kCaptured], of_verb[kPlain]));
  }
  figures.add(prefix + "_plain_rows_per_s", "plain, rows/s", summarize(all[kPlain]));
  figures.add(prefix + "_captured_rows_per_s", "captured, rows/s", summarize(all[kCaptured]));
  figures.add(prefix + "_triggers_rows_per_s", "row-copy triggers, rows/s", summarize(all[kRowCopies]));
  figures.add(prefix + "_own_outbox_rows_per_s", "own outbox row, rows/s", summarize(all[kOwnOutbox]));
  figures.add(prefix + "_json_triggers_rows_per_s", "triggers that note JSON, rows/s", summarize(all[kJson]));
}

}  // namespace

void measure_capture(const Settings& settings, Figures& figures) {
  const TableKind* const kinds[] = {&objects_table(), &notes_table()};
  for (const TableKind* kind : kinds) {
    CaptureFiles files(settings, *kind, settings.directory / "capture" / kind->name);
    const bool headline = kind == &objects_table();
    const std::string prefix = headline ? "capture" : "capture_minimal";
    const std::string table = fmt::format("table {}", kind->name);

    figures.group(fmt::format("Capture, {}, one row a transaction", table));
    report(figures, measure(settings, files, "capture, " + table + ", 1 row", 1), prefix + "_single", headline, 0.7);
    figures.group(fmt::format("Capture, {}, 1000 rows a transaction", table));
    report(figures, measure(settings, files, "capture, " + table + ", 1000 rows", 1000), prefix + "_bulk", headline,
           0.6);
  }
}

}  // namespace colony::bench
