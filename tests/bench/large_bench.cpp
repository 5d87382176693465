#include "tests/bench/large_bench.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <random>
#include <stdexcept>

#include "tests/bench/loopback_colony.h"
#include "tests/bench/process.h"
#include "tests/bench/workload.h"

namespace colony::bench {
namespace {

constexpr std::size_t kBytesPerRow = 500;
constexpr double kTimeoutSeconds = 1200;

struct Peak {
  double anonymous_mib = 0;
  double resident_mib = 0;

  void look(pid_t pid) {
    const Memory memory = memory_of(pid);
    anonymous_mib = std::max(anonymous_mib, memory.anonymous_mib);
    resident_mib = std::max(resident_mib, memory.peak_resident_mib);
  }
};

struct Commit {
  double transaction_s = 0;  // from BEGIN to the end of COMMIT
  double commit_s = 0;
  std::int64_t committed_ns = 0;
  Peak app;
};

// The app, in a process of its own. Gives when it began, and when COMMIT began and
// ended.
Fork insert_rows(const std::string& file, std::int64_t first, std::int64_t count,
                 const std::optional<std::string>& extension) {
  return Fork([=](const std::function<void()>& ready) {
    Database db(file, Database::Mode::kReadWrite);
    if (extension) {
      sqlite3_enable_load_extension(db.handle(), 1);
      if (sqlite3_load_extension(db.handle(), extension->c_str(), nullptr, nullptr) != SQLITE_OK) {
        throw std::runtime_error(sqlite3_errmsg(db.handle()));
      }
    }
    db.execute("PRAGMA synchronous = NORMAL");
    Statement insert(db, "INSERT INTO notes(id, body) VALUES(?1, ?2)");
    std::minstd_rand random(static_cast<unsigned>(first));
    std::string body(kBytesPerRow - 8, ' ');
    ready();
    const std::int64_t begin = now_ns();
    db.execute("BEGIN");
    for (std::int64_t id = first; id < first + count; ++id) {
      for (char& c : body) c = static_cast<char>('!' + random() % 90);
      insert.bind(1, id).bind(2, std::string_view(body)).run();
    }
    const std::int64_t commit = now_ns();
    db.execute("COMMIT");
    return std::vector<std::int64_t>{begin, commit, now_ns()};
  });
}

Commit watch_app(Fork app, const std::function<void()>& meanwhile) {
  Commit commit;
  app.await_ready();
  while (!app.is_done()) {
    commit.app.look(app.pid());
    meanwhile();
    usleep(10'000);
  }
  const std::vector<std::int64_t> times = app.result();
  commit.transaction_s = static_cast<double>(times[2] - times[0]) / 1e9;
  commit.commit_s = static_cast<double>(times[2] - times[1]) / 1e9;
  commit.committed_ns = times[2];
  return commit;
}

struct Spread {
  Commit commit;
  double everywhere_s = 0;  // since COMMIT returned
  Peak origin, reader;
};

Spread spread(const Settings& settings, LoopbackColony& colony, std::int64_t first, std::int64_t count) {
  Spread spread;
  const auto look = [&] {
    spread.origin.look(colony.sidecar(0));
    for (std::size_t node = 1; node < LoopbackColony::kNodes; ++node) spread.reader.look(colony.sidecar(node));
  };
  spread.commit = watch_app(insert_rows(colony.file(0), first, count, settings.extension), look);
  for (std::size_t node = 1; node < LoopbackColony::kNodes; ++node) {
    Database db(colony.file(node), Database::Mode::kReadOnly);
    while (db.query_integer("SELECT max(id) FROM notes") != first + count - 1) {
      if (static_cast<double>(now_ns() - spread.commit.committed_ns) > kTimeoutSeconds * 1e9) {
        throw std::runtime_error("node " + LoopbackColony::name(node) + " does not get the large transaction");
      }
      look();
      usleep(10'000);
    }
  }
  spread.everywhere_s = static_cast<double>(now_ns() - spread.commit.committed_ns) / 1e9;
  colony.await_step();
  look();
  return spread;
}

void add_memory(Figures& figures, const std::string& key, const std::string& who, const Peak& peak) {
  figures.add("large_" + key + "_anonymous_mib", who + ": its own memory at most, MiB", peak.anonymous_mib);
  figures.add("large_" + key + "_resident_mib", who + ": with pages of files, MiB", peak.resident_mib);
}

}  // namespace

void measure_large(const Settings& settings, Figures& figures) {
  const std::int64_t count = settings.large_rows();
  show_progress(fmt::format("one commit of {} rows", count));
  const std::string plain_file = settings.directory / "plain.db";
  create_file(plain_file, notes_table(), {});
  const Commit plain = watch_app(insert_rows(plain_file, 1, count, std::nullopt), [] {});
  std::filesystem::remove(plain_file);

  LoopbackColony colony(settings, notes_table());
  const std::int64_t first = 1'000'000'000;  // beyond the rows at the start
  const Spread tenth = spread(settings, colony, first, count / 10);
  const Spread whole = spread(settings, colony, first + count / 10, count);
  show_progress("");

  figures.group(fmt::format("One commit of {} rows, {} MB, on one of four nodes", count,
                            count * static_cast<std::int64_t>(kBytesPerRow) / 1'000'000));
  figures.add("large_plain_s", "the app without Colony, s", plain.transaction_s);
  figures.add("large_captured_s", "the app on a node, s", whole.commit.transaction_s);
  figures.add("large_plain_commit_s", "of that its COMMIT, without Colony, s", plain.commit_s);
  figures.add("large_captured_commit_s", "of that its COMMIT, on a node, s", whole.commit.commit_s);
  figures.add("large_everywhere_s", "since then, until all nodes have it, s", whole.everywhere_s);
  figures.add("large_everywhere_tenth_s", "the same with a tenth of the rows, s", tenth.everywhere_s);
  add_memory(figures, "plain_app", "the app without Colony", plain.app);
  add_memory(figures, "captured_app", "the app on a node", whole.commit.app);
  add_memory(figures, "origin", "the sidecar of that node", whole.origin);
  add_memory(figures, "reader", "the sidecar of another one", whole.reader);
  figures.add("large_reader_tenth_anonymous_mib", "the same with a tenth of the rows, MiB", tenth.reader.anonymous_mib);
}

}  // namespace colony::bench
