#include "replicator/wal/wal_shortener.h"

#include <chrono>
#include <thread>

#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

using Clock = std::chrono::steady_clock;

constexpr FrameNumber kShortFrames = 600;  // programs begin at 1,000, unless they say otherwise
constexpr std::chrono::milliseconds kLockPatience{200};
// For who copies the log just now, and for who reads it, with a program's commits behind.
constexpr std::chrono::milliseconds kReaderPatience{50};
constexpr std::chrono::microseconds kLookAgain{200};

}  // namespace

WalShortener::WalShortener(const std::string& path, Database& db, WalCapture& capture)
    : db_(db), capture_(capture), copier_(path, Database::Mode::kReadWrite) {
  copier_.execute("PRAGMA synchronous = NORMAL");
  sqlite3_busy_timeout(copier_.handle(), 0);
  copier_.query_integer("SELECT count(*) FROM sqlite_schema");  // so that it knows the log
}

void WalShortener::look() {
  if (capture_.log_frames() < kShortFrames) return;
  copy();
  COLONY_STEP("wal_shortener.copied");
  queue_rest();
  begin_anew();
}

// True if all of the log is copied: nobody else is at it, or reads a former state.
bool WalShortener::copy() {
  int frames = -1, copied = -1;
  const int code = sqlite3_wal_checkpoint_v2(copier_.handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &frames, &copied);
  return code == SQLITE_OK && frames == copied;
}

void WalShortener::queue_rest() {
  OwnTransaction transaction(db_, &capture_);
  if (capture_.has_work()) transaction.commit();
}

// What programs have committed since queue_rest() is only read here, and queued next.
void WalShortener::begin_anew() {
  const std::lock_guard alone(capture_.mutex());
  if (!capture_.follows() || capture_.has_schema_change()) return;
  const WalCapture::WriteLock lock(capture_, kLockPatience);
  if (!lock.is_held()) return;
  const Clock::time_point end = Clock::now() + kReaderPatience;
  for (;;) {
    capture_.make_way();
    const bool is_copied = copy();
    capture_.make_way();
    if ((is_copied && !capture_.log_is_read()) || Clock::now() > end) break;
    std::this_thread::sleep_for(kLookAgain);
  }
  COLONY_STEP("wal_shortener.begins_anew");
}

}  // namespace colony
