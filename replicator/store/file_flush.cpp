#include "replicator/store/file_flush.h"

#include <cstring>

namespace colony {
namespace {

constexpr sqlite3_int64 kSaltsAt = 16;  // of the log's header

}  // namespace

FileFlush::FileFlush(Database& db) : db_(db), version_of_(db, "PRAGMA data_version") {}

// Another one whenever somebody else has committed since. Reads, and so opens the log.
std::int64_t FileFlush::version() {
  const ResetAtEnd reset(version_of_);
  return version_of_.step() ? version_of_.integer(0) : 0;
}

// Null if there is none: a database in memory has no log.
sqlite3_file* FileFlush::file(int which) const {
  sqlite3_file* file = nullptr;
  const int rc = sqlite3_file_control(db_.handle(), "main", which, static_cast<void*>(&file));
  if (rc != SQLITE_OK) throw SqliteError(rc, db_.path() + ": " + sqlite3_errstr(rc));
  return file != nullptr && file->pMethods != nullptr ? file : nullptr;
}

std::optional<FileFlush::LogLife> FileFlush::life_of(sqlite3_file* log) const {
  LogLife salts;
  const int rc = log->pMethods->xRead(log, salts.data(), static_cast<int>(salts.size()), kSaltsAt);
  if (rc == SQLITE_IOERR_SHORT_READ) return std::nullopt;  // it is empty
  if (rc != SQLITE_OK) throw SqliteError(rc, db_.path() + "-wal: " + sqlite3_errstr(rc));
  return salts;
}

void FileFlush::sync(sqlite3_file* file) {
  const int rc = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
  if (rc == SQLITE_OK) return;
  int error = 0;
  file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &error);
  throw SqliteError(rc, db_.path() + ": what was committed cannot be flushed to disk: " +
                            (error != 0 ? std::strerror(error) : sqlite3_errstr(rc)));
}

// The version comes first: what is committed during the flush waits for the next one.
// The log comes before the database, as in a checkpoint.
void FileFlush::run() {
  const std::int64_t version = this->version();
  if (flushed_ == version) return;
  flushed_.reset();
  ++flushes_;
  std::optional<LogLife> life;
  if (sqlite3_file* const log = file(SQLITE_FCNTL_JOURNAL_POINTER)) {
    sync(log);
    life = life_of(log);
  }
  if (!life || life != life_) {
    life_.reset();
    if (sqlite3_file* const database = file(SQLITE_FCNTL_FILE_POINTER)) sync(database);
  }
  life_ = life;
  flushed_ = version;
}

}  // namespace colony
