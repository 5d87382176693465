#include "replicator/wal/wal_pin.h"

#include <chrono>
#include <thread>

#include "replicator/wal/page_versions.h"

namespace colony {
namespace {

// Of the lock bytes in the log's index (walformat.html, 2.3.1).
constexpr int kWriteLock = 0, kCheckpointLock = 1;
constexpr int kFirstReaderOfLog = 4, kReadersOfLog = 4;  // before them: who needs only the database

sqlite3_file* file_of(Database& db) {
  sqlite3_file* file = nullptr;
  sqlite3_file_control(db.handle(), "main", SQLITE_FCNTL_FILE_POINTER, &file);
  return file;
}

bool try_lock(Database& db, int first, int count) {
  sqlite3_file* const file = file_of(db);
  return file->pMethods->xShmLock(file, first, count, SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE) == SQLITE_OK;
}

void unlock(Database& db, int first, int count) {
  sqlite3_file* const file = file_of(db);
  file->pMethods->xShmLock(file, first, count, SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE);
}

void begin_reading(Database& db) {
  db.execute("BEGIN");
  db.query_integer("SELECT count(*) FROM (SELECT 1 FROM sqlite_schema LIMIT 1)");
}

}  // namespace

WalPin::WalPin(const std::string& path)
    : file_(path, Database::Mode::kReadWrite),
      readers_{Database(path, Database::Mode::kReadWrite), Database(path, Database::Mode::kReadWrite)} {
  for (Database& reader : readers_) reader.execute("PRAGMA query_only = ON");
  if (file_.query_text("PRAGMA journal_mode") != "wal") {
    throw Error(path + " is not in WAL mode any more: run colony init again");
  }
  file_.query_integer("SELECT count(*) FROM (SELECT 1 FROM sqlite_schema LIMIT 1)");
  // Where it closes last, the mark is still there for who comes next.
  int persists = 1;
  sqlite3_file_control(file_.handle(), "main", SQLITE_FCNTL_PERSIST_WAL, &persists);
  log_.emplace(file_);
}

WalPin::~WalPin() { unlock_checkpoints(); }

void WalPin::open_next() {
  if (next_is_open_) return;
  begin_reading(next_reader());
  next_is_open_ = true;
}

void WalPin::take_next() {
  if (is_open_) reader().execute("COMMIT");
  current_ = 1 - current_;
  is_open_ = true;
  next_is_open_ = false;
  at_.reset();
}

void WalPin::drop_next() {
  if (!next_is_open_) return;
  next_reader().execute("COMMIT");
  next_is_open_ = false;
}

void WalPin::close() {
  drop_next();
  if (is_open_) reader().execute("COMMIT");
  is_open_ = false;
  at_.reset();
}

// What is read of the log's end before and after tells which state was opened.
bool WalPin::move_to(const WalEnd& end) {
  const bool is_written_back = log_->written_back() == end.frame;
  if (at_ == end && (is_free_ || !is_written_back)) return false;
  if (log_->end() != end) return false;
  open_next();
  if (log_->end() != end) {
    drop_next();
    return false;
  }
  take_next();
  at_ = end;
  is_free_ = is_written_back && log_->written_back() == end.frame;
  return true;
}

bool WalPin::try_lock_writers() { return try_lock(file_, kWriteLock, 1); }

void WalPin::unlock_writers() { unlock(file_, kWriteLock, 1); }

bool WalPin::log_is_read() {
  if (!try_lock(file_, kFirstReaderOfLog, kReadersOfLog)) return true;
  unlock(file_, kFirstReaderOfLog, kReadersOfLog);
  return false;
}

void WalPin::lock_checkpoints() {
  constexpr std::chrono::seconds kWait{30};
  constexpr std::chrono::milliseconds kPause{2};
  if (locks_checkpoints_) return;
  const auto end = std::chrono::steady_clock::now() + kWait;
  while (!try_lock(file_, kCheckpointLock, 1)) {
    if (std::chrono::steady_clock::now() > end) throw WalLost("somebody copies the write-ahead log all the time");
    std::this_thread::sleep_for(kPause);
  }
  locks_checkpoints_ = true;
}

void WalPin::unlock_checkpoints() {
  if (!locks_checkpoints_) return;
  unlock(file_, kCheckpointLock, 1);
  locks_checkpoints_ = false;
}

}  // namespace colony
