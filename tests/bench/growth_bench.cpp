#include "tests/bench/growth_bench.h"

#include <spdlog/fmt/fmt.h>
#include <time.h>

#include <algorithm>
#include <memory>

#include "tests/bench/loopback_colony.h"
#include "tests/bench/process.h"
#include "tests/bench/stepped_node.h"
#include "tests/bench/workload.h"

namespace colony::bench {
namespace {

// Three files with the same rows: one without Colony, and two nodes, a and b. What
// a's app has committed in a round, b absorbs in the next.
class Trio {
 public:
  enum Variant : std::size_t { kPlain, kCaptured, kAbsorbed, kVariants };

  Trio(const Settings& settings, const std::filesystem::path& directory, std::int64_t rows)
      : directory_(directory), messages_(std::make_shared<MemoryLog::Messages>()) {
    std::filesystem::create_directories(directory);
    show_progress(fmt::format("growth: making files of {} rows", rows));
    create_file(file("plain"), objects_table(), workload_, rows);
    for (const char* name : {"a", "b"}) {
      std::filesystem::copy_file(file("plain"), file(name));
      Program({settings.program, "init", file(name), "--cluster", "bench", "--node", name}, directory / "init.log")
          .finish();
    }
    plain_ = std::make_unique<App>(file("plain"), objects_table());
    app_a_ = std::make_unique<App>(file("a"), objects_table(), settings.extension);
    app_b_ = std::make_unique<App>(file("b"), objects_table(), settings.extension);
    a_ = std::make_unique<SteppedNode>(file("a"), "a", messages_);
    b_ = std::make_unique<SteppedNode>(file("b"), "b", messages_);
    a_->run();
    b_->run();
    a_->run();
  }
  ~Trio() {
    plain_.reset(), app_a_.reset(), app_b_.reset(), a_.reset(), b_.reset();
    std::filesystem::remove_all(directory_);
  }

  // Commits of b's own program that the log does not get, on rows that a never touches.
  void leave_pending(std::int64_t transactions) {
    for (; pending_ < transactions; ++pending_) {
      RowChange change{Verb::kInsert, objects_table().row(pending_random_, pending_)};
      change.parameters.front().bytes = fmt::format("pending/{:010}", pending_);
      app_b_->execute({change}, 1);
    }
  }

  // Rows per second, by variant and round.
  RoundRates measure(const Settings& settings, const std::string& title, std::size_t rows_per_transaction) {
    std::size_t count = 3 * std::max<std::size_t>(rows_per_transaction, 300);
    const auto before_round = [&](int) { prepare(count); };
    const auto run = [&](std::size_t variant) { return run_round(variant, rows_per_transaction); };
    const RoundRates trial = take_turns(title + ": warming up", 2, kVariants, before_round, run);
    const double wanted = trial[kPlain].back() * settings.growth_round_seconds();
    count = std::max<std::size_t>(3, static_cast<std::size_t>(wanted) / rows_per_transaction) * rows_per_transaction;
    prepare(count);  // so that the first round absorbs as much as it commits
    for (const std::size_t variant : {kPlain, kCaptured, kAbsorbed}) run(variant);
    return take_turns(title, settings.growth_rounds(), kVariants, before_round, run);
  }

 private:
  std::string file(const std::string& name) const { return directory_ / (name + ".db"); }

  void prepare(std::size_t count) {
    a_->log().forget();
    a_->run();  // publishes what the app has committed in the round before
    absorbed_rows_ = changes_.size();
    changes_.clear();
    while (changes_.size() < count) changes_.push_back(workload_.next(kVerbs[changes_.size() % 3]));
    plain_->checkpoint();
    app_a_->checkpoint();
    app_b_->checkpoint();
  }

  double run_round(std::size_t variant, std::size_t rows_per_transaction) {
    const std::size_t rows = variant == kAbsorbed ? absorbed_rows_ : changes_.size();
    const Spent spent = spent_on([&] {
      if (variant == kAbsorbed) {
        b_->absorb();
      } else {
        (variant == kPlain ? plain_ : app_a_)->execute(changes_, rows_per_transaction);
      }
    });
    return static_cast<double>(rows) / spent.seconds;
  }

  std::filesystem::path directory_;
  Workload workload_{objects_table()};
  std::shared_ptr<MemoryLog::Messages> messages_;
  std::unique_ptr<App> plain_, app_a_, app_b_;
  std::unique_ptr<SteppedNode> a_, b_;
  std::vector<RowChange> changes_;
  std::size_t absorbed_rows_ = 0;
  std::mt19937_64 pending_random_{99};
  std::int64_t pending_ = 0;
};

// What it is of plain SQLite's rate.
void add_points(double x, const RoundRates& rates, Curve& capture, Curve& apply) {
  capture.points.push_back({x, ratio(rates[Trio::kCaptured], rates[Trio::kPlain])});
  apply.points.push_back({x, ratio(rates[Trio::kAbsorbed], rates[Trio::kPlain])});
}

constexpr const char* kOfPlain = "of plain SQLite's rate";

void grow_transactions(const Settings& settings, Figures& figures) {
  Curve capture{"capture_by_transaction", "Capture, by rows per transaction", "rows per transaction", kOfPlain, {}};
  Curve apply{"apply_by_transaction", "Apply, by rows per transaction", "rows per transaction", kOfPlain, {}};
  Trio trio(settings, settings.directory / "growth transactions", kRowsAtStart);
  for (const std::size_t rows : {1u, 10u, 100u, 1000u, 10'000u}) {
    add_points(static_cast<double>(rows),
               trio.measure(settings, fmt::format("growth: {} rows a transaction", rows), rows), capture, apply);
  }
  figures.add(std::move(capture));
  figures.add(std::move(apply));
}

void grow_table(const Settings& settings, Figures& figures) {
  Curve capture{"capture_by_table", "Capture, one row a transaction, by rows in the table", "rows", kOfPlain, {}};
  Curve apply{"apply_by_table", "Apply, one row a transaction, by rows in the table", "rows", kOfPlain, {}};
  for (std::int64_t rows = 10'000; rows <= settings.growth_table_rows_max(); rows *= 10) {
    Trio trio(settings, settings.directory / "growth table", rows);
    add_points(static_cast<double>(rows), trio.measure(settings, fmt::format("growth: a table of {} rows", rows), 1),
               capture, apply);
  }
  figures.add(std::move(capture));
  figures.add(std::move(apply));
}

void grow_backlog(const Settings& settings, Figures& figures) {
  Curve apply{
      "apply_by_backlog", "Apply beside own pending transactions that touch other rows", "pending", kOfPlain, {}};
  Trio trio(settings, settings.directory / "growth backlog", kRowsAtStart);
  for (const std::int64_t pending :
       {std::int64_t{0}, std::int64_t{1000}, std::int64_t{10'000}, std::int64_t{100'000}, std::int64_t{1'000'000}}) {
    if (pending > settings.growth_backlog_max()) break;
    show_progress(fmt::format("growth: {} transactions are left pending", pending));
    trio.leave_pending(pending);
    const RoundRates rates = trio.measure(settings, fmt::format("growth: {} pending", pending), 10);
    apply.points.push_back({static_cast<double>(pending), ratio(rates[Trio::kAbsorbed], rates[Trio::kPlain])});
  }
  figures.add(std::move(apply));
}

void pause_until(std::int64_t ns) {
  const timespec time{ns / 1'000'000'000, ns % 1'000'000'000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr) == EINTR) {
  }
}

struct CpuOfNodes {
  double writer = 0, others = 0, broker = 0;  // seconds; `others`: the mean of them
};

CpuOfNodes cpu_of(const LoopbackColony& colony, std::size_t nodes) {
  CpuOfNodes cpu{cpu_seconds(colony.sidecar(0)), 0, cpu_seconds(colony.broker())};
  for (std::size_t node = 1; node < nodes; ++node) {
    cpu.others += cpu_seconds(colony.sidecar(node)) / static_cast<double>(nodes - 1);
  }
  return cpu;
}

// One node's app commits at a steady pace; what all the others and the broker spend on it.
CpuOfNodes spend(const Settings& settings, LoopbackColony& colony, std::size_t nodes, int round) {
  constexpr std::int64_t kPause_ns = 5'000'000;
  const std::int64_t transactions = settings.growth_commits();
  const CpuOfNodes before = cpu_of(colony, nodes);
  Fork([&](const std::function<void()>&) {
    App app(colony.file(0), objects_table(), settings.extension);
    std::mt19937_64 random(static_cast<std::uint64_t>(round) + 1000);  // rows that are nowhere yet
    const std::int64_t begin = now_ns();
    for (std::int64_t i = 0; i < transactions; ++i) {
      pause_until(begin + i * kPause_ns);
      std::vector<RowChange> rows;
      for (int row = 0; row < 10; ++row) rows.push_back({Verb::kInsert, objects_table().row(random, i * 10 + row)});
      app.execute(rows, rows.size());
    }
    return std::vector<std::int64_t>();
  }).result();
  colony.await_step();
  const CpuOfNodes after = cpu_of(colony, nodes);
  const double thousands = static_cast<double>(transactions) * 10 / 1000;
  return {(after.writer - before.writer) / thousands * 1000, (after.others - before.others) / thousands * 1000,
          (after.broker - before.broker) / thousands * 1000};
}

void grow_nodes(const Settings& settings, Figures& figures) {
  constexpr const char* kCpu = "CPU ms per 1000 rows";
  Curve writer{"writer_cpu_by_nodes", "The sidecar of the node that writes, by nodes", "nodes", kCpu, {}};
  Curve others{"other_cpu_by_nodes", "Each other node's sidecar, by nodes", "nodes", kCpu, {}};
  Curve broker{"broker_cpu_by_nodes", "The broker, by nodes", "nodes", kCpu, {}};
  for (const std::size_t nodes : {2u, 4u, 8u}) {
    Settings own = settings;
    own.directory = settings.directory / fmt::format("growth {} nodes", nodes);
    std::filesystem::create_directories(own.directory);
    LoopbackColony colony(own, objects_table(), nodes);
    std::vector<double> by_writer, by_others, by_broker;
    for (int round = 0; round < settings.growth_node_rounds(); ++round) {
      show_progress(fmt::format("growth: {} nodes, round {}", nodes, round + 1));
      const CpuOfNodes cpu = spend(settings, colony, nodes, round);
      by_writer.push_back(cpu.writer);
      by_others.push_back(cpu.others);
      by_broker.push_back(cpu.broker);
    }
    const auto x = static_cast<double>(nodes);
    writer.points.push_back({x, summarize(by_writer)});
    others.points.push_back({x, summarize(by_others)});
    broker.points.push_back({x, summarize(by_broker)});
  }
  show_progress("");
  for (Curve* curve : {&writer, &others, &broker}) figures.add(std::move(*curve));
}

}  // namespace

void measure_growth(const Settings& settings, Figures& figures) {
  grow_transactions(settings, figures);
  grow_table(settings, figures);
  grow_backlog(settings, figures);
  grow_nodes(settings, figures);
}

}  // namespace colony::bench
