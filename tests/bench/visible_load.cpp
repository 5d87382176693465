#include "tests/bench/visible_load.h"

#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <functional>
#include <random>

#include "tests/bench/rounds.h"
#include "tests/bench/workload.h"

namespace colony::bench {

void sleep_until(std::int64_t ns) {
  const timespec time{ns / 1'000'000'000, ns % 1'000'000'000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr) == EINTR) {
  }
}

namespace {

// The keys of a load's rows: they say which commit of which node they are of.
std::string key_prefix(const Load& load, std::size_t node) { return load.key + "/" + LoopbackColony::name(node) + "/"; }

// Per commit: when it was due, and when COMMIT had returned.
std::vector<std::int64_t> write_rows(const Load& load, const std::string& file, std::size_t node,
                                     const std::optional<std::string>& extension, std::int64_t start_ns) {
  prctl(PR_SET_TIMERSLACK, 1);
  App app(file, objects_table(), extension);
  app.database().execute(std::string("PRAGMA synchronous = ") + load.synchronous);
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

}  // namespace

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
      return write_rows(load, colony.file(node), node, settings.node_extension(),
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
  std::int64_t last_ns = start_ns;
  for (const std::vector<std::int64_t>& times : seen) {
    for (const std::int64_t time : times) last_ns = std::max(last_ns, time);
  }
  outcome.seconds = static_cast<double>(last_ns - start_ns) / 1e9;
  return outcome;
}

}  // namespace colony::bench
