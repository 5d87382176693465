#include "replicator/status/lock_watch.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

namespace colony {
namespace {

using namespace std::chrono_literals;

constexpr auto kWaitWorthTelling = 5s;
constexpr auto kBlockWorthTelling = 10s;
constexpr std::int64_t kLargeLog = 16 << 20;

std::int64_t bytes_of(const std::string& path) {
  struct stat file {};
  return stat(path.c_str(), &file) == 0 ? file.st_size : 0;
}

double seconds(LockWatch::Clock::duration time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

void LockWatch::look(const StatusView& status, Clock::time_point now) {
  if (wait_reported_ && status.lock_wait != wait_reported_) {
    spdlog::info("the write lock is free again waited_s={:.0f}", seconds(now - *wait_reported_));
    wait_reported_.reset();
  }
  if (!wait_reported_ && status.lock_wait && now - *status.lock_wait >= kWaitWorthTelling) {
    wait_reported_ = status.lock_wait;
    spdlog::warn("an app has held the write lock for {:.0f} s; waiting holder=\"{}\"", seconds(now - *status.lock_wait),
                 to_string(index_.writers()));
  }
  if (block_reported_ && !status.checkpoint_blocked) {
    spdlog::info("the write-ahead log can be emptied again after_s={:.0f}", seconds(now - *block_reported_));
    block_reported_.reset();
  }
  const std::int64_t bytes = bytes_of(wal_);
  if (!block_reported_ && status.checkpoint_blocked && bytes >= kLargeLog &&
      now - *status.checkpoint_blocked >= kBlockWorthTelling) {
    block_reported_ = status.checkpoint_blocked;
    spdlog::warn(
        "the write-ahead log grows: a read transaction that stays open keeps it from being emptied "
        "bytes={} for_s={:.0f} readers=\"{}\"",
        bytes, seconds(now - *status.checkpoint_blocked), to_string(index_.readers_in_the_way()));
  }
}

}  // namespace colony
