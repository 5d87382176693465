#include "tests/bench/apply_bench.h"

#include <spdlog/fmt/fmt.h>

#include "tests/bench/process.h"
#include "tests/bench/stepped_node.h"
#include "tests/bench/workload.h"

namespace colony::bench {
namespace {

enum Variant : std::size_t { kPlain, kApplier, kVariants };

class ApplyFiles {
 public:
  ApplyFiles(const Settings& settings, const TableKind& kind, const std::filesystem::path& directory)
      : workload_(kind), messages_(std::make_shared<MemoryLog::Messages>()) {
    std::filesystem::create_directories(directory);
    const std::vector<RowChange> rows = workload_.next(Verb::kInsert, kRowsAtStart);
    for (const char* name : {"plain", "a", "b"}) {
      const std::string path = directory / (std::string(name) + ".db");
      create_file(path, kind, rows);
      if (name == std::string_view("plain")) {
        plain_ = std::make_unique<App>(path, kind);
        continue;
      }
      Program({settings.program, "init", path, "--cluster", "bench", "--node", name}, directory / "init.log").finish();
      (name == std::string_view("a") ? a_ : b_) = std::make_unique<SteppedNode>(path, name, messages_);
    }
    app_a_ = std::make_unique<App>(directory / "a.db", kind, settings.extension.string());
    b_reader_ = Database(directory / "b.db", Database::Mode::kReadWrite);
    a_->run();
    b_->run();
  }

  // The changes of one round: inserts, updates and deletes in turn, so that a
  // transaction of several rows has all of them.
  std::vector<RowChange> changes(std::size_t count) {
    std::vector<RowChange> changes;
    changes.reserve(count);
    for (std::size_t i = 0; i < count; ++i) changes.push_back(workload_.next(kVerbs[i % 3]));
    return changes;
  }

  // Node a commits them, and they are in the log: each transaction as an entry of
  // its own, or as the publisher puts together what it finds.
  void publish(const std::vector<RowChange>& changes, std::size_t rows_per_transaction, bool entry_each) {
    a_->log().forget();
    if (!entry_each) {
      app_a_->execute(changes, rows_per_transaction);
      a_->run();
      return;
    }
    for (std::size_t at = 0; at < changes.size(); at += rows_per_transaction) {
      const auto begin = changes.begin() + static_cast<std::ptrdiff_t>(at);
      const auto end = begin + static_cast<std::ptrdiff_t>(std::min(rows_per_transaction, changes.size() - at));
      app_a_->execute({begin, end}, rows_per_transaction);
      a_->run();
    }
  }

  void checkpoint() {
    plain_->checkpoint();
    b_reader_.query_text("PRAGMA wal_checkpoint(RESTART)");
  }

  App& plain() { return *plain_; }
  SteppedNode& b() { return *b_; }

  // Both have the same rows: what was measured was the same work.
  void check(const TableKind& kind) {
    const std::string sql = fmt::format("SELECT count(*) || ' ' || sum(length(hex({0}))) || ' ' || max({0}) FROM {1}",
                                        kind.name == std::string_view("notes") ? "body" : "hash", kind.name);
    if (plain_->database().query_text(sql) != b_reader_.query_text(sql)) throw Error("the applied rows differ");
  }

 private:
  Workload workload_;
  std::shared_ptr<MemoryLog::Messages> messages_;
  std::unique_ptr<App> plain_, app_a_;
  std::unique_ptr<SteppedNode> a_, b_;
  Database b_reader_;
};

RoundRates measure(const Settings& settings, ApplyFiles& files, const std::string& title, std::size_t rows,
                   bool entry_each) {
  std::size_t count = 3 * std::max<std::size_t>(rows, 1000);
  std::vector<RowChange> changes;
  const auto generate = [&](int) {
    changes = files.changes(count);
    files.publish(changes, rows, entry_each);
    files.checkpoint();
  };
  const auto run = [&](std::size_t variant) {
    const Spent spent = spent_on([&] {
      if (variant == kPlain) {
        files.plain().execute(changes, rows);
      } else {
        files.b().absorb();
      }
    });
    return static_cast<double>(count) / spent.seconds;
  };
  const RoundRates trial = take_turns(title + ": warming up", 3, kVariants, generate, run);
  const double wanted = summarize(trial[kPlain]).median * settings.round_seconds();
  count = std::max<std::size_t>(3, static_cast<std::size_t>(wanted) / rows) * rows;
  return take_turns(title, settings.rounds(), kVariants, generate, run);
}

}  // namespace

void measure_apply(const Settings& settings, Figures& figures) {
  struct Case {
    const char* key;
    std::size_t rows;
    bool entry_each;
  };
  constexpr Case kCases[] = {
      {"apply", 10, false}, {"apply_single", 1, false}, {"apply_bulk", 1000, false}, {"apply_entry_each", 10, true}};
  const TableKind& kind = objects_table();
  for (const Case& c : kCases) {
    ApplyFiles files(settings, kind, settings.directory / c.key);
    const bool headline = c.key == std::string_view("apply");
    const std::string title = fmt::format("Apply, table {}, {} {} a transaction{}", kind.name, c.rows,
                                          c.rows == 1 ? "row" : "rows", c.entry_each ? ", each an entry" : "");
    const RoundRates rates = measure(settings, files, title, c.rows, c.entry_each);
    files.check(kind);
    figures.group(title);
    figures.add(fmt::format("{}_ratio", c.key), "applier / plain", ratio(rates[kApplier], rates[kPlain]),
                headline ? std::optional(at_least(0.5)) : std::nullopt);
    figures.add(fmt::format("{}_rows_per_s", c.key), "applier, rows/s", summarize(rates[kApplier]));
    figures.add(fmt::format("{}_plain_rows_per_s", c.key), "plain, rows/s", summarize(rates[kPlain]));
  }
}

}  // namespace colony::bench
