#include "tests/bench/locks_bench.h"

#include <spdlog/fmt/fmt.h>
#include <time.h>

#include <algorithm>

#include "tests/bench/loopback_colony.h"
#include "tests/bench/process.h"
#include "tests/bench/shared_flag.h"
#include "tests/bench/workload.h"

namespace colony::bench {
namespace {

constexpr double kRefusedMsMax = 50;
constexpr std::int64_t kLook_ns = 100'000;
constexpr int kPatience_s = 600;

// What b has committed, and a has to apply.
struct LockLoad {
  const char* key;
  const char* what;
  std::int64_t rows;
  std::size_t rows_per_transaction;
  std::int64_t pending = 0;  // rows that a has pending, ten in a transaction
  bool live = false;         // a's sidecar runs all the while
};

RowChange shared_row(std::mt19937_64& random, Verb verb, std::int64_t number) {
  RowChange change{verb, objects_table().row(random, number)};
  change.parameters.front().bytes = fmt::format("shared/{:08}", number);
  return change;
}

void write(const Settings& settings, const std::string& file, std::int64_t rows, std::size_t rows_per_transaction,
           const std::function<RowChange(std::int64_t)>& change) {
  Fork([&](const std::function<void()>&) {
    App app(file, objects_table(), settings.extension);
    std::vector<RowChange> batch;
    for (std::int64_t i = 0; i < rows;) {
      batch.clear();
      const std::size_t size = std::max<std::size_t>(rows_per_transaction, 1000);
      for (; i < rows && batch.size() < size; ++i) batch.push_back(change(i));
      app.execute(batch, rows_per_transaction);
    }
    return std::vector<std::int64_t>();
  }).result();
}

// New rows, but every tenth changes one that a changes too, if it does.
void write_at(const Settings& settings, const LoopbackColony& colony, std::size_t node, std::int64_t rows,
              std::size_t rows_per_transaction, bool shares) {
  std::mt19937_64 random(node + 99);
  write(settings, colony.file(node), rows, rows_per_transaction, [&](std::int64_t i) {
    if (shares && i % 10 == 0) return shared_row(random, Verb::kUpdate, i / 10);
    RowChange change{Verb::kInsert, objects_table().row(random, i)};
    change.parameters.front().bytes = fmt::format("{}/{:08}", LoopbackColony::name(node), i);
    return change;
  });
}

// For how long on end the lock was refused, each time that it was, in nanoseconds.
std::vector<std::int64_t> try_until(const SharedFlag& stop, const std::string& file) {
  Database db(file, Database::Mode::kReadWrite);
  sqlite3_busy_timeout(db.handle(), 0);
  std::vector<std::int64_t> refused;
  std::int64_t since = 0;
  while (!stop.is_set()) {
    const std::int64_t now = now_ns();
    const int rc = sqlite3_exec(db.handle(), "BEGIN IMMEDIATE", nullptr, nullptr, nullptr);
    if ((rc & 0xff) == SQLITE_BUSY) {
      if (since == 0) since = now;
    } else {
      if (rc != SQLITE_OK) throw SqliteError(rc, sqlite3_errmsg(db.handle()));
      if (since != 0) refused.push_back(now_ns() - since);
      since = 0;
      db.execute("ROLLBACK");
    }
    const timespec pause{0, kLook_ns};
    nanosleep(&pause, nullptr);
  }
  return refused;
}

std::vector<double> run(const Settings& settings, const LockLoad& load) {
  Settings own = settings;
  own.directory = settings.directory / fmt::format("locks {}", load.key);
  std::filesystem::create_directories(own.directory);
  LoopbackColony colony(own, objects_table(), 2);
  show_progress(fmt::format("locks: {}", load.what));
  std::mt19937_64 random(5);
  if (load.pending > 0) {
    write(settings, colony.file(0), load.pending / 10, 1000,
          [&](std::int64_t i) { return shared_row(random, Verb::kInsert, i); });
  }
  colony.await_step(kPatience_s);
  colony.await_step(kPatience_s);
  if (!load.live) {
    colony.stop_sidecar(0);
    write_at(settings, colony, 1, load.rows, load.rows_per_transaction, load.pending > 0);
    write_at(settings, colony, 0, load.pending, 10, true);
    colony.await_step_of(1, kPatience_s);
  }
  SharedFlag stop;
  Fork probe([&](const std::function<void()>&) { return try_until(stop, colony.file(0)); });
  if (load.live) {
    write_at(settings, colony, 1, load.rows, load.rows_per_transaction, false);
    colony.await_step_of(1, kPatience_s);
  } else {
    colony.start_sidecar(0);
  }
  colony.await_step_of(0, kPatience_s);
  stop.set();
  std::vector<double> refused_ms;
  for (const std::int64_t ns : probe.result()) refused_ms.push_back(static_cast<double>(ns) / 1e6);
  show_progress("");
  return refused_ms;
}

}  // namespace

void measure_locks(const Settings& settings, Figures& figures) {
  const std::int64_t rows = settings.locks_rows();
  const LockLoad loads[] = {
      {"locks_small", "catching up with transactions of one row", rows, 1},
      {"locks_live", "transactions of one row as they come", rows / 2, 1, 0, true},
      {"locks_1000", "transactions of 1,000 rows", rows, 1000},
      {"locks_10000", "transactions of 10,000 rows", 2 * rows, 10'000},
      {"locks_rebase", "as much pending, a tenth of it in the same rows", rows, 1, rows},
  };
  figures.group("Locks: how long a program that does not wait is refused on end (SQLITE_BUSY), ms");
  for (const LockLoad& load : loads) {
    const std::vector<double> ms = run(settings, load);
    const auto over = std::count_if(ms.begin(), ms.end(), [](double stretch) { return stretch > kRefusedMsMax; });
    const std::string key = load.key;
    figures.add(key + "_ms_p50", fmt::format("{}, p50", load.what), percentile(ms, 50));
    figures.add(key + "_ms_p99", "the same, p99", percentile(ms, 99));
    figures.add(key + "_ms_max", "the same, the longest", percentile(ms, 100), at_most(kRefusedMsMax));
    figures.add(key + "_over", fmt::format("the same, over {:.0f} ms, of {}", kRefusedMsMax, ms.size()),
                static_cast<double>(over));
  }
}

}  // namespace colony::bench
