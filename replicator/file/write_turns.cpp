#include "replicator/file/write_turns.h"

#include <utility>

namespace colony {
namespace {

constexpr int kPauseMax_ms = 5;

}  // namespace

WriteTurns::WriteTurns(Database& db, WalKeeper& wal, OnWait on_wait, std::function<bool(int waited_ms)> go_on_waiting)
    : data_version_(db, "PRAGMA data_version"),
      wal_(wal),
      on_wait_(std::move(on_wait)),
      go_on_waiting_(std::move(go_on_waiting)) {
  db.wait_for_locks([this](int waited_ms) { return wait(waited_ms); }, kPauseMax_ms, Database::kInsistently);
  // Instead of SQLite's own, which checkpoints before it says that the lock is free.
  sqlite3_wal_hook(
      db.handle(),
      [](void* context, sqlite3*, const char*, int pages) {
        static_cast<WriteTurns*>(context)->committed(pages);
        return SQLITE_OK;
      },
      this);
}

void WriteTurns::committed(int wal_pages) {
  released_ = Clock::now();
  wal_.committed(wal_pages);
}

// Asked by SQLite between two tries for a lock. People hear of it when it lasts.
bool WriteTurns::wait(int waited_ms) {
  constexpr Clock::duration kWorthTelling = std::chrono::milliseconds(200);
  if (wal_.is_trying()) return false;
  if (waited_ms == 0) wait_began_ = Clock::now();
  if (!wait_told_ && Clock::now() - wait_began_ >= kWorthTelling) {
    wait_told_ = true;
    on_wait_(wait_began_);
  }
  return go_on_waiting_(waited_ms);
}

void WriteTurns::end_wait() {
  if (std::exchange(wait_told_, false)) on_wait_(std::nullopt);
}

// Whether somebody else has written to the file since this was last asked.
bool WriteTurns::others_wrote() {
  data_version_.step();
  const std::int64_t version = data_version_.integer(0);
  data_version_.reset();
  return std::exchange(known_data_version_, version) != version;
}

WriteTurns::Turn::Turn(WriteTurns& turns) : turns_(turns), others_wrote_(turns.others_wrote()), from_(Clock::now()) {
  turns.end_wait();
}

WriteTurns::Turn::~Turn() {
  const Clock::time_point until = turns_.released_ > from_ ? turns_.released_ : Clock::now();
  turns_.throttle_.held(from_, until, others_wrote_);
}

}  // namespace colony
