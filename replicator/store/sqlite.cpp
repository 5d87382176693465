#include "replicator/store/sqlite.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "sqlite_ext/guard_index.h"

namespace colony {
namespace {

// Readers wait too: for whoever recovers the write-ahead log after a crash.
constexpr int kBusyTimeoutMs = 10'000;

// The latest that the write-ahead log has met, or the database itself.
int error_of_files(sqlite3* db) {
  int error = 0;
  sqlite3_file* log = nullptr;
  sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, static_cast<void*>(&log));
  if (log != nullptr && log->pMethods != nullptr) log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &error);
  if (error == 0) sqlite3_file_control(db, "main", SQLITE_FCNTL_LAST_ERRNO, &error);
  return error;
}

// What is kept is the latest there was: it belongs to an error of these kinds only.
int system_error_of(int extended_code, sqlite3* db) {
  const int code = extended_code & 0xff;
  if (db == nullptr || (code != SQLITE_IOERR && code != SQLITE_CANTOPEN)) return 0;
  const int error = sqlite3_system_errno(db);
  return error != 0 || code != SQLITE_IOERR ? error : error_of_files(db);
}

std::string system_reason(int extended_code, sqlite3* db) {
  const int error = system_error_of(extended_code, db);
  return error == 0 ? std::string() : std::string(" (") + std::strerror(error) + ")";
}

std::string reason_of(int extended_code, sqlite3* db) {
  return (db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(extended_code)) + system_reason(extended_code, db);
}

}  // namespace

SqliteError::SqliteError(int extended_code, const std::string& file, sqlite3* db)
    : Error(file + ": " + reason_of(extended_code, db)),
      reason_(reason_of(extended_code, db)),
      code_(extended_code),
      system_error_(system_error_of(extended_code, db)) {}

const SqliteHost& linked_host() {
  const SqliteHost* const host = SqliteHost::get();
  if (host == nullptr) {
    throw Error("the SQLite library of this machine lacks the preupdate hook: install Debian's libsqlite3-0");
  }
  return *host;
}

Database::Database(const std::string& path, Mode mode) : path_(path) {
  sqlite3* db = nullptr;
  const int flags =
      (mode == Mode::kReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
  const int rc = sqlite3_open_v2(path.c_str(), &db, flags, nullptr);
  handle_.reset(db);
  if (rc != SQLITE_OK) throw SqliteError(rc, path, db);
  sqlite3_extended_result_codes(db, 1);
  sqlite3_busy_timeout(db, kBusyTimeoutMs);
  const int allowed = mode == Mode::kProgram ? SQLITE_OK : allow_guarded_writes(db);
  if (allowed != SQLITE_OK) throw SqliteError(allowed, path, db);
  spill_ = spill_beside(sqlite3_db_filename(db, "main"));
}

void Database::execute(const std::string& sql) {
  const int rc = sqlite3_exec(handle(), sql.c_str(), nullptr, nullptr, nullptr);
  if (rc != SQLITE_OK) throw SqliteError(rc, path_, handle());
}

std::int64_t Database::query_integer(const std::string& sql) {
  Statement statement(*this, sql);
  return statement.step() ? statement.integer(0) : 0;
}

std::string Database::query_text(const std::string& sql) {
  Statement statement(*this, sql);
  return statement.step() ? std::string(statement.text(0)) : std::string();
}

void Database::wait_for_locks(std::function<bool(int)> go_on, int pause_max_ms, int tries_at_once) {
  lock_wait_ = std::make_unique<LockWait>(LockWait{std::move(go_on), pause_max_ms, tries_at_once});
  sqlite3_busy_handler(handle(), &Database::on_busy, lock_wait_.get());
}

void Database::do_while_waiting(std::function<void(int)> besides) {
  if (lock_wait_) lock_wait_->besides = std::move(besides);
}

int Database::on_busy(void* lock_wait, int tries) {
  const auto& wait = *static_cast<LockWait*>(lock_wait);
  // How long the wait has lasted follows from the sleeps: 0, 1, 2, 3 ... ms.
  const int pauses = tries / wait.tries_at_once;
  const int ramp = std::min(pauses, wait.pause_max_ms);
  const int waited_ms = ramp * (ramp - 1) / 2 + std::max(0, pauses - wait.pause_max_ms) * wait.pause_max_ms;
  const bool is_pause = (tries + 1) % wait.tries_at_once == 0;
  if (wait.besides && is_pause) wait.besides(waited_ms);
  if (!wait.go_on(waited_ms)) return 0;
  if (!is_pause) {
    std::this_thread::yield();
  } else if (pauses == 0) {
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  } else {
    std::this_thread::sleep_for(std::chrono::milliseconds(ramp));
  }
  return 1;
}

Statement::Statement(Database& db, std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int rc = sqlite3_prepare_v3(db.handle(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                    &statement, nullptr);
  handle_.reset(statement);
  if (rc != SQLITE_OK) throw SqliteError(rc, db.path(), db.handle());
}

void Statement::fail(int rc) const {
  sqlite3* const db = sqlite3_db_handle(handle());
  const char* const file = sqlite3_db_filename(db, "main");
  const SqliteError error(rc, file != nullptr ? file : "database", db);
  sqlite3_reset(handle());  // or its next user could bind nothing to it
  throw error;
}

Statement& Statement::bind(int index, std::int64_t value) {
  sqlite3_bind_int64(handle(), index, value);
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
  // An empty view may have no address, and a null pointer would bind NULL.
  const char* const data = text.data() == nullptr ? "" : text.data();
  check_bound(sqlite3_bind_text64(handle(), index, data, text.size(), SQLITE_STATIC, SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind_blob(int index, std::string_view blob) {
  check_bound(
      sqlite3_bind_blob64(handle(), index, blob.data() == nullptr ? "" : blob.data(), blob.size(), SQLITE_STATIC));
  return *this;
}

Statement& Statement::bind_null(int index) {
  sqlite3_bind_null(handle(), index);
  return *this;
}

Statement& Statement::bind(int index, const Value& value) {
  switch (value.type) {
    case ValueType::kInteger:
      return bind(index, value.integer);
    case ValueType::kReal:
      sqlite3_bind_double(handle(), index, value.real);
      return *this;
    case ValueType::kText:
      return bind(index, value.bytes());
    case ValueType::kBlob:
      return bind_blob(index, value.bytes());
    case ValueType::kNull:
    case ValueType::kUndefined:
      break;
  }
  return bind_null(index);
}

int Statement::try_step() {
  const int rc = sqlite3_step(handle());
  const bool is_refused = (rc & 0xff) == SQLITE_CONSTRAINT || rc == SQLITE_MISMATCH;
  if (rc == SQLITE_ROW || rc == SQLITE_DONE || is_refused) return rc;
  fail(rc);
}

bool Statement::step() {
  const int rc = sqlite3_step(handle());
  if (rc == SQLITE_ROW) return true;
  if (rc == SQLITE_DONE) return false;
  fail(rc);
}

void Statement::reset() { sqlite3_reset(handle()); }

void Statement::run() {
  struct Reset {
    Statement& statement;
    ~Reset() { statement.reset(); }
  } reset{*this};
  step();
}

int Statement::columns() const { return sqlite3_column_count(handle()); }
std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(handle(), column); }

std::string_view Statement::text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(handle(), column));
  return text == nullptr ? std::string_view()
                         : std::string_view(text, static_cast<std::size_t>(sqlite3_column_bytes(handle(), column)));
}

std::string_view Statement::blob(int column) const {
  const auto* blob = static_cast<const char*>(sqlite3_column_blob(handle(), column));
  return {blob, static_cast<std::size_t>(sqlite3_column_bytes(handle(), column))};
}

bool Statement::is_null(int column) const { return sqlite3_column_type(handle(), column) == SQLITE_NULL; }

Value Statement::value(int column) const {
  switch (sqlite3_column_type(handle(), column)) {
    case SQLITE_INTEGER:
      return Value::of_integer(integer(column));
    case SQLITE_FLOAT:
      return Value::of_real(sqlite3_column_double(handle(), column));
    case SQLITE_TEXT:
      return Value::of_text(text(column));
    case SQLITE_BLOB:
      return Value::of_blob(blob(column));
    default:
      return Value::null();
  }
}

ReadTransaction::~ReadTransaction() { sqlite3_exec(db_.handle(), "ROLLBACK", nullptr, nullptr, nullptr); }

WriteTransaction::WriteTransaction(Database& db) : db_(db) { db_.execute("BEGIN IMMEDIATE"); }

WriteTransaction::~WriteTransaction() {
  if (open_ && db_.in_transaction()) sqlite3_exec(db_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void WriteTransaction::commit() {
  db_.execute("COMMIT");
  open_ = false;
}

}  // namespace colony
