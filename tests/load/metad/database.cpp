#include "tests/load/metad/database.h"

#include <dlfcn.h>

#include <cstring>
#include <thread>

namespace metad {
namespace {

// SQLite tells about the last name that it tried, which is PATH with a second ".so". What
// the loader says to PATH itself is what helps.
std::string why_not_loaded(const std::string& path, const std::string& sqlite_says) {
  void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library != nullptr) {
    ::dlclose(library);
    return sqlite_says;
  }
  const char* const message = ::dlerror();
  std::string text = message != nullptr ? message : sqlite_says;
  if (text.rfind(path + ": ", 0) == 0) text.erase(0, path.size() + 2);
  return text;
}

}  // namespace

Database::Database(const std::string& path, Mode mode, int lock_wait_ms) {
  const int flags = (mode == Mode::kReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) | SQLITE_OPEN_NOMUTEX;
  sqlite3* raw = nullptr;
  const int rc = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  handle_.reset(raw);
  if (rc != SQLITE_OK) {
    const int reason = raw != nullptr ? sqlite3_system_errno(raw) : 0;
    throw SqliteError(rc, "cannot open " + path + ": " + (reason != 0 ? std::strerror(reason) : sqlite3_errstr(rc)));
  }
  sqlite3_extended_result_codes(raw, 1);
  lock_wait_ = std::make_unique<LockWait>(LockWait{std::chrono::milliseconds(lock_wait_ms), {}});
  sqlite3_busy_handler(raw, wait_for_lock, lock_wait_.get());
}

int Database::wait_for_lock(void* lock_wait, int tries) {
  auto& wait = *static_cast<LockWait*>(lock_wait);
  const auto now = std::chrono::steady_clock::now();
  if (tries == 0) wait.begin = now;
  if (now - wait.begin >= wait.longest) return 0;
  std::this_thread::sleep_for(std::chrono::microseconds(tries < 5 ? 200 : 1000));
  return 1;
}

void Database::load_extension(const std::string& path) {
  sqlite3_db_config(handle(), SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, nullptr);
  char* message = nullptr;
  const int rc = sqlite3_load_extension(handle(), path.c_str(), "sqlite3_colony_init", &message);
  const std::string text = message != nullptr ? message : "";
  sqlite3_free(message);
  sqlite3_db_config(handle(), SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
  if (rc == SQLITE_OK) return;
  throw std::runtime_error("cannot load the extension " + path + ": " + why_not_loaded(path, text) +
                           ": give --extension its path, such as ./colony.so");
}

void Database::execute(const char* sql) {
  const int rc = sqlite3_exec(handle(), sql, nullptr, nullptr, nullptr);
  if (rc != SQLITE_OK) fail(rc);
}

void Database::fail(int code) const { throw SqliteError(code, sqlite3_errmsg(handle())); }

Statement::Statement(Database& db, std::string_view sql) : db_(&db) {
  sqlite3_stmt* raw = nullptr;
  const int rc = sqlite3_prepare_v3(db.handle(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                    &raw, nullptr);
  handle_.reset(raw);
  check(rc);
}

void Statement::check(int rc) const {
  if (rc != SQLITE_OK) db_->fail(rc);
}

Statement& Statement::bind(int index, std::int64_t value) {
  check(sqlite3_bind_int64(handle_.get(), index, value));
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
  // An empty view may point nowhere, and that would be a NULL.
  const char* const data = text.empty() ? "" : text.data();
  check(sqlite3_bind_text64(handle_.get(), index, data, text.size(), SQLITE_STATIC, SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind_blob(int index, std::string_view blob) {
  const char* const data = blob.empty() ? "" : blob.data();
  check(sqlite3_bind_blob64(handle_.get(), index, data, blob.size(), SQLITE_STATIC));
  return *this;
}

Statement& Statement::bind_null(int index) {
  check(sqlite3_bind_null(handle_.get(), index));
  return *this;
}

bool Statement::step() {
  const int rc = sqlite3_step(handle_.get());
  if (rc == SQLITE_ROW) return true;
  if (rc == SQLITE_DONE) return false;
  const SqliteError error(rc, sqlite3_errmsg(db_->handle()));
  reset();
  throw error;
}

int Statement::run() {
  while (step()) {
  }
  const int changed = sqlite3_changes(db_->handle());
  reset();
  return changed;
}

std::string_view Statement::text(int column) const {
  const void* const data = sqlite3_column_blob(handle_.get(), column);
  const int size = sqlite3_column_bytes(handle_.get(), column);
  return data == nullptr ? std::string_view() : std::string_view(static_cast<const char*>(data), size);
}

}  // namespace metad
