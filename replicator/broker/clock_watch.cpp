#include "replicator/broker/clock_watch.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "replicator/broker/jetstream_connection.h"

namespace colony {
namespace {

constexpr std::chrono::seconds kLookEvery{1};
// Clocks that are slewed, and threads that wait for a core, differ by less.
constexpr std::chrono::milliseconds kBackMin{500};

class Watcher {
 public:
  ~Watcher() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  void add(JetStreamConnection& connection) {
    const std::lock_guard lock(mutex_);
    connections_.insert(&connection);
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    changed_.notify_all();
  }

  void remove(JetStreamConnection& connection) {
    const std::lock_guard lock(mutex_);
    connections_.erase(&connection);
  }

 private:
  // How far the wall clock is ahead of the clock that nobody sets.
  static std::chrono::nanoseconds ahead() {
    return std::chrono::system_clock::now().time_since_epoch() - std::chrono::steady_clock::now().time_since_epoch();
  }

  void run() {
    std::unique_lock lock(mutex_);
    std::chrono::nanoseconds known = ahead();
    while (!ending_) {
      if (connections_.empty()) {
        changed_.wait(lock, [this] { return ending_ || !connections_.empty(); });
        known = ahead();
      }
      changed_.wait_for(lock, kLookEvery, [this] { return ending_; });
      const std::chrono::nanoseconds now = ahead();
      if (now < known - kBackMin) close_all(known - now);
      known = now;
    }
  }

  void close_all(std::chrono::nanoseconds back) {
    spdlog::warn("the clock was set back by {} s: connecting to the broker anew",
                 std::chrono::duration_cast<std::chrono::seconds>(back).count());
    for (JetStreamConnection* const connection : connections_) connection->close();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<JetStreamConnection*> connections_;
  bool ending_ = false;
  std::thread thread_;
};

Watcher& watcher() {
  static Watcher watcher;
  return watcher;
}

}  // namespace

ClockWatch::ClockWatch(JetStreamConnection& connection) : connection_(connection) { watcher().add(connection); }

ClockWatch::~ClockWatch() { watcher().remove(connection_); }

}  // namespace colony
