// SQLite for an app: a connection and its statements, with owners and exceptions.
//
// This is all that a program needs to write on Colony: open the file, load the
// extension on each connection that writes, wait for locks, begin with IMMEDIATE.
//
// Threads: a Database and its Statements belong to one thread at a time.
#pragma once

#include <sqlite3.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace metad {

class SqliteError : public std::runtime_error {
 public:
  SqliteError(int code, const std::string& what) : std::runtime_error(what), code_(code) {}
  int code() const { return code_ & 0xff; }

 private:
  int code_;
};

class Database {
 public:
  enum class Mode { kReadOnly, kReadWrite };

  // Never makes a file. `lock_wait_ms` is the longest wait for somebody else's lock; it
  // is looked for every millisecond. (SQLite's own busy timeout sleeps for up to 100 ms
  // at a time, far longer than a sidecar holds the lock.) Throws SqliteError.
  Database(const std::string& path, Mode mode, int lock_wait_ms);

  // Loads colony.so, after which this connection's commits are captured. Throws
  // std::runtime_error: a program that was to write with it must not write without.
  void load_extension(const std::string& path);
  void execute(const char* sql);

  sqlite3* handle() const { return handle_.get(); }
  [[noreturn]] void fail(int code) const;

 private:
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  struct LockWait {
    std::chrono::milliseconds longest;
    std::chrono::steady_clock::time_point begin;
  };
  static int wait_for_lock(void* lock_wait, int tries);

  std::unique_ptr<LockWait> lock_wait_;  // at one place, whatever moves
  std::unique_ptr<sqlite3, Close> handle_;
};

class Statement {
 public:
  Statement(Database& db, std::string_view sql);

  // Parameters count from 1. Text and blobs are not copied: they must live until
  // the next reset().
  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, std::string_view text);
  Statement& bind_blob(int index, std::string_view blob);
  Statement& bind_null(int index);

  // True while there is a row. Throws SqliteError, and is reset then.
  bool step();
  void reset() { sqlite3_reset(handle_.get()); }
  // For those that give no rows. Gives the number of rows that changed.
  int run();

  // Until the next step() or reset().
  std::int64_t integer(int column) const { return sqlite3_column_int64(handle_.get(), column); }
  std::string_view text(int column) const;
  bool is_null(int column) const { return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL; }

 private:
  void check(int rc) const;

  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  Database* db_;
  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

// Resets a statement at the end of a scope that reads from it: what is left open
// would keep the reader at an old state of the file.
class ResetAtEnd {
 public:
  explicit ResetAtEnd(Statement& statement) : statement_(statement) {}
  ~ResetAtEnd() { statement_.reset(); }
  ResetAtEnd(const ResetAtEnd&) = delete;
  ResetAtEnd& operator=(const ResetAtEnd&) = delete;

 private:
  Statement& statement_;
};

}  // namespace metad
