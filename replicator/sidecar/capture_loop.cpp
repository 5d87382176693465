#include "replicator/sidecar/capture_loop.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "replicator/fold/fold.h"

namespace colony {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kFramesAtOnce = 2000, kFramesUnderLock = 400;
constexpr std::chrono::microseconds kLookAgainMin = 200us;
constexpr std::chrono::microseconds kLookAgainMax = 1s;
constexpr FrameNumber kLongFrames = 4000;
constexpr auto kLookAtLength = 2ms;
constexpr auto kRetry = 100ms;
constexpr auto kPatience = 10s;
constexpr auto kMakeWayAfter = 20ms;
constexpr auto kReadUnderLockAfter = 20ms;
constexpr auto kReadFor = 50ms;

}  // namespace

CaptureLoop::CaptureLoop(const std::string& path, WalCapture& capture, Loops& loops, Listeners listeners)
    : capture_(capture),
      loops_(loops),
      listeners_(std::move(listeners)),
      db_(open_for_fold(path)),
      shortener_(path, db_, capture) {
  db_.execute("PRAGMA wal_autocheckpoint = 0");  // the shortener's
  db_.wait_for_locks([this](int) { return waits_ && !loops_.stopping(); }, 1, Database::kInsistently);
}

// The pages of a commit are written before its end shows in the log's index, by a flush of the
// disk later perhaps. So when there is nothing yet it looks again, ever more rarely.
void CaptureLoop::run() {
  std::chrono::microseconds look_again = kLookAgainMin;
  while (!loops_.stopping()) {
    try {
      const bool go_on = step() || wait(look_again);
      look_again = go_on ? kLookAgainMin : std::min(look_again * 2, kLookAgainMax);
    } catch (const std::exception&) {
      if (loops_.stopping()) return;
      listeners_.on_failed();
      loops_.pause(kRetry);
    }
  }
}

// True if programs had committed something.
bool CaptureLoop::step() {
  if (!read()) return false;
  keep_pace();
  queue();
  waits_ = true;
  shortener_.look();
  return true;
}

// A log that gets long is not waited for, nor one that was begun anew: until the file has a mark in it, no
// command and no other start can go on. Each turn costs a busy program a sleep, so it may get longer
// than what programs would copy themselves.
void CaptureLoop::keep_pace() {
  const Clock::time_point next = pace_.next();
  for (;;) {
    const Clock::time_point now = Clock::now();
    if (now >= next || loops_.stopping()) return;
    {
      const std::lock_guard alone(capture_.mutex());
      if (capture_.log_frames() > kLongFrames || capture_.should_mark()) return;
    }
    loops_.pause(std::min<Clock::duration>(next - now, kLookAtLength));
  }
}

// Whether there is something to queue. A program may commit faster than this reads: the rest is then
// read while it cannot.
bool CaptureLoop::read() {
  const Clock::time_point end = Clock::now() + kReadFor;
  for (bool done = false; !done;) {
    const std::lock_guard alone(capture_.mutex());
    if (!capture_.follows()) return false;
    done = capture_.read_ahead(kFramesAtOnce);
    if (!done && (Clock::now() < end || !capture_.has_work())) continue;
    if (capture_.has_work() || capture_.should_mark()) return true;
    capture_.move_pin();
  }
  return false;
}

void CaptureLoop::queue() {
  const Clock::time_point asked = Clock::now();
  for (int tries = 1; read() && !queue_if_unlocked(asked); ++tries) {
    if (tries % Database::kInsistently != 0) continue;
    if (Clock::now() - asked > kMakeWayAfter) {
      const std::lock_guard alone(capture_.mutex());
      capture_.make_way();  // whoever has the lock may be at a checkpoint that waits for the pin
    }
    loops_.pause(kLookAgainMin);
  }
}

// What comes while a program has the lock is read meanwhile, and not under this one's.
bool CaptureLoop::queue_if_unlocked(Clock::time_point asked) {
  waits_ = false;
  try {
    // A program that commits all the time would always be ahead.
    const bool is_late = Clock::now() - asked > kReadUnderLockAfter;
    OwnTransaction transaction(db_, &capture_, OwnTransaction::Begin::kGoesOn,
                               is_late ? ~std::size_t{0} : kFramesUnderLock);
    const std::size_t transactions = capture_.waiting();
    transaction.commit();
    pace_.captured(transactions, asked, transaction.locked(), Clock::now());
  } catch (const WalCapture::TooMuchToRead&) {
    return false;  // to be read without the lock
  } catch (const SqliteError& error) {
    if (error.code() != SQLITE_BUSY || loops_.stopping() || Clock::now() - asked > kPatience) throw;
    return false;
  }
  listeners_.on_captured();
  return true;
}

// True if it was woken.
bool CaptureLoop::wait(Clock::duration time) {
  std::unique_lock lock(mutex_);
  woken_.wait_for(lock, time, [this] { return wake_ || loops_.stopping(); });
  return std::exchange(wake_, false);
}

void CaptureLoop::wake() {
  const std::lock_guard lock(mutex_);
  wake_ = true;
  woken_.notify_all();
}

}  // namespace colony
