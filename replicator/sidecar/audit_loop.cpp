#include "replicator/sidecar/audit_loop.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "replicator/fold/fold.h"

namespace colony {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kFramesAtOnce = 2000;
constexpr std::chrono::microseconds kLookAgainMin = 4ms, kLookAgainMax = 1s;
constexpr auto kApart = 20ms;  // looks beside a busy program
constexpr auto kRetry = 1s;
constexpr FrameNumber kShortFrames = 800;  // programs begin at 1,000, unless they say otherwise
constexpr FrameNumber kMoreFrames = 400;   // before it is tried again

}  // namespace

SessionAudit::Listener audit_reports(Status& status) {
  SessionAudit::Listener listener;
  listener.on_found = [&status](const std::string& table, const LateCapture::Finding& finding) {
    spdlog::warn(
        "a program has changed rows that were not captured table={} rows={} only_captured={} key={} advice=\"see what "
        "writes without colony.so or has dropped its guards: colony init puts them back\"",
        table, finding.not_in_outbox, finding.only_in_outbox, finding.a_key);
    status.count_uncaptured(finding.not_in_outbox + finding.only_in_outbox,
                            "table " + table + ", key " + finding.a_key);
  };
  listener.on_captured = [](const LateCapture::Written& written) {
    spdlog::info("captured late rows={}", written.rows);
    for (const std::string& table : written.given_up) {
      spdlog::warn("rows of a table could not be captured late, and will be compared with the other nodes' table={}",
                   table);
    }
  };
  listener.on_lost = [&status](const std::string& why) {
    spdlog::warn("what programs have just committed was not checked reason=\"{}\"", why);
    status.count_unwatched();
  };
  return listener;
}

AuditLoop::AuditLoop(const std::string& path, SessionAudit& audit, Loops& loops, std::function<void()> on_captured)
    : audit_(audit),
      loops_(loops),
      on_captured_(std::move(on_captured)),
      db_(open_for_fold(path)),
      copier_(path, Database::Mode::kReadWrite) {
  db_.execute("PRAGMA wal_autocheckpoint = 0");
  db_.wait_for_locks([this](int) { return !loops_.stopping(); }, 1);
  copier_.execute("PRAGMA synchronous = NORMAL");
  sqlite3_busy_timeout(copier_.handle(), 0);
  copier_.query_integer("SELECT count(*) FROM sqlite_schema");  // so that it knows the log
}

// The pages of a commit are written before its end shows in the log's index, by a flush of the
// disk later perhaps. So when there is nothing yet it looks again, ever more rarely.
void AuditLoop::run() {
  std::chrono::microseconds look_again = kLookAgainMin;
  while (!loops_.stopping()) {
    try {
      const bool found = step();
      if (found) loops_.pause(kApart);
      const bool go_on = found || wait(look_again);
      look_again = go_on ? kLookAgainMin : std::min(look_again * 2, kLookAgainMax);
    } catch (const std::exception& error) {
      if (loops_.stopping()) return;
      spdlog::warn("what was not captured cannot be captured now, and will be tried again reason=\"{}\"", error.what());
      loops_.pause(kRetry);
    }
  }
}

// True if something was committed.
bool AuditLoop::step() {
  bool captured = false, found = false;
  for (bool done = false; !done && !loops_.stopping();) {
    const std::lock_guard alone(audit_.mutex());
    done = audit_.read(kFramesAtOnce);
    captured |= audit_.has_work();
    if (audit_.has_work()) audit_.settle(db_);
    if (done) audit_.move_pin();
    found = std::exchange(read_, audit_.frames_read()) != audit_.frames_read();
  }
  if (captured) on_captured_();
  shorten_log();
  return found;
}

// Whoever else is at it does the same.
void AuditLoop::copy_log() {
  sqlite3_wal_checkpoint_v2(copier_.handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
}

void AuditLoop::shorten_log() {
  const FrameNumber frames = audit_.log_frames();
  if (frames < kShortFrames) shortened_at_ = 0;
  if (frames < kShortFrames || (shortened_at_ != 0 && frames < shortened_at_ + kMoreFrames)) return;
  shortened_at_ = frames;
  copy_log();
  const std::lock_guard alone(audit_.mutex());
  const WriteTransaction nothing(db_);
  if (!audit_.is_settled(kFramesAtOnce)) return;
  audit_.move_pin();
  copy_log();
  audit_.move_pin();
}

// True if it was woken.
bool AuditLoop::wait(Clock::duration time) {
  std::unique_lock lock(mutex_);
  woken_.wait_for(lock, time, [this] { return wake_ || loops_.stopping(); });
  return std::exchange(wake_, false);
}

void AuditLoop::wake() {
  const std::lock_guard lock(mutex_);
  wake_ = true;
  woken_.notify_all();
}

}  // namespace colony
