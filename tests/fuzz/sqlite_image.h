// Databases that are bytes in memory, for SQLite to say what it makes of them.
#pragma once

#include <sqlite3.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/sqlite_host.h"

namespace colony::fuzz {

class MemoryImage {
 public:
  explicit MemoryImage(const std::string& image) {
    if (sqlite3_open(":memory:", &db_) != SQLITE_OK) std::abort();
    auto* const copy = static_cast<unsigned char*>(sqlite3_malloc64(image.size()));
    if (copy == nullptr) std::abort();
    std::memcpy(copy, image.data(), image.size());
    const auto size = static_cast<sqlite3_int64>(image.size());
    if (sqlite3_deserialize(db_, "main", copy, size, size, SQLITE_DESERIALIZE_FREEONCLOSE) != SQLITE_OK) std::abort();
  }
  ~MemoryImage() { sqlite3_close(db_); }
  MemoryImage(const MemoryImage&) = delete;
  MemoryImage& operator=(const MemoryImage&) = delete;

  // The caller finalizes it. Null if the database is so damaged that nothing can be prepared.
  sqlite3_stmt* prepared(const char* sql) const {
    sqlite3_stmt* statement = nullptr;
    sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr);
    return statement;
  }

 private:
  sqlite3* db_ = nullptr;
};

// What SQLite makes of `sql` in an empty database.
inline std::string image_of(const std::string& sql) {
  sqlite3* db = nullptr;
  if (sqlite3_open(":memory:", &db) != SQLITE_OK) std::abort();
  if (sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) std::abort();
  sqlite3_int64 size = 0;
  unsigned char* const bytes = sqlite3_serialize(db, "main", &size, 0);
  std::string image(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  sqlite3_free(bytes);
  sqlite3_close(db);
  return image;
}

}  // namespace colony::fuzz
