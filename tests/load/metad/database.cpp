#include "tests/load/metad/database.h"

#include <dlfcn.h>

#include <stdexcept>

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

Database open_database(const std::string& path, Database::Mode mode, int lock_wait_ms) {
  constexpr int kLookEveryMs = 1;
  Database db(path, mode);
  db.wait_for_locks([lock_wait_ms](int waited_ms) { return waited_ms < lock_wait_ms; }, kLookEveryMs);
  return db;
}

void load_extension(Database& db, const std::string& path) {
  sqlite3_db_config(db.handle(), SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, nullptr);
  char* message = nullptr;
  const int rc = sqlite3_load_extension(db.handle(), path.c_str(), "sqlite3_colony_init", &message);
  const std::string text = message != nullptr ? message : "";
  sqlite3_free(message);
  sqlite3_db_config(db.handle(), SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
  if (rc == SQLITE_OK) return;
  throw std::runtime_error("cannot load the extension " + path + ": " + why_not_loaded(path, text) +
                           ": give --extension its path, such as ./colony.so");
}

int changes(const Database& db) { return sqlite3_changes(db.handle()); }

}  // namespace metad
