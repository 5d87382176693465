#include "replicator/file/wal_keeper.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

using namespace std::chrono_literals;

constexpr int kCheckpointFromPages = 1000;
constexpr std::int64_t kLargeBytes = 16 << 20;
constexpr auto kLook = 1s;
constexpr WalKeeper::Clock::duration kHoldMin = 50ms, kHoldMax = 2s;
constexpr int kFreePerHeld = 4;

}  // namespace

WalKeeper::WalKeeper(Database& db, OnBlocked on_blocked)
    : db_(db),
      on_blocked_(std::move(on_blocked)),
      path_(std::string(sqlite3_db_filename(db.handle(), "main")) + "-wal"),
      page_bytes_(db.query_integer("PRAGMA page_size")),
      hold_time_(kHoldMin) {}

WalKeeper::Pages WalKeeper::run_checkpoint(int mode, int* result) {
  Pages pages;
  trying_ = true;
  const int rc = sqlite3_wal_checkpoint_v2(db_.handle(), nullptr, mode, &pages.all, &pages.copied);
  trying_ = false;
  if (result != nullptr) *result = rc;
  return pages;
}

bool WalKeeper::is_large(int pages) const { return pages * page_bytes_ >= kLargeBytes; }

void WalKeeper::note(Pages pages, Clock::time_point now) {
  if (pages.all < 0) return;  // somebody else was at it
  all_copied_ = pages.copied >= pages.all;
  const bool blocked = !all_copied_ && pages.all >= kCheckpointFromPages;
  if (blocked != blocked_) on_blocked_(blocked ? std::optional(now) : std::nullopt);
  if (blocked_ && !blocked) hold_again_ = now;  // who was in the way has ended
  blocked_ = blocked;
  large_ = is_large(pages.all);
  if (large_) begin_to_hold_back(now);
}

void WalKeeper::begin_to_hold_back(Clock::time_point now) {
  if (hold_until_ || now < hold_again_) return;
  hold_began_ = now;
  hold_until_ = now + hold_time_;
}

void WalKeeper::checkpoint(Clock::time_point now) {
  if (pages_ < kCheckpointFromPages) return;
  pages_ = 0;
  note(run_checkpoint(SQLITE_CHECKPOINT_PASSIVE), now);
  COLONY_STEP("applier.log_written_back");
}

void WalKeeper::look(Clock::time_point now) {
  if (now - looked_ < kLook) return;
  looked_ = now;
  struct stat log {};
  if (stat(path_.c_str(), &log) != 0) return;
  if (log.st_size < kLargeBytes && !blocked_) return;
  const std::int64_t written_ns = log.st_mtim.tv_sec * 1'000'000'000LL + log.st_mtim.tv_nsec;
  if (all_copied_ && written_ns == seen_ns_) {
    if (large_) begin_to_hold_back(now);
    return;
  }
  seen_ns_ = written_ns;
  note(run_checkpoint(SQLITE_CHECKPOINT_PASSIVE), now);
}

// Cutting comes only after all was copied, or the write lock would be held meanwhile.
void WalKeeper::hold_back(Clock::time_point now) {
  if (!all_copied_) note(run_checkpoint(SQLITE_CHECKPOINT_PASSIVE), now);
  if (all_copied_) {
    int result = SQLITE_BUSY;
    note(run_checkpoint(SQLITE_CHECKPOINT_TRUNCATE, &result), now);
    if (result == SQLITE_OK) {
      large_ = false;
      hold_until_.reset();
      hold_time_ = std::clamp<Clock::duration>(2 * (now - hold_began_), kHoldMin, kHoldMax);
      return;
    }
  }
  if (now < *hold_until_) return;
  hold_until_.reset();
  hold_again_ = now + kFreePerHeld * hold_time_;
  hold_time_ = std::min(2 * hold_time_, kHoldMax);
}

}  // namespace colony
