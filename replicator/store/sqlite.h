// SQLite with owners and exceptions: a Database closes itself, a Statement
// finalizes itself, and what fails throws SqliteError.
//
// Threads: a Database and its Statements belong to one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "replicator/log/error.h"
#include "sqlite_ext/changeset.h"
#include "sqlite_ext/spill.h"
#include "sqlite_ext/sqlite_host.h"

namespace colony {

class SqliteError : public Error {
 public:
  SqliteError(int extended_code, const std::string& what) : Error(what), reason_(what), code_(extended_code) {}
  // What has just failed on `db`, which may be null: with the system's reason, where
  // SQLite would only say that there was an error.
  SqliteError(int extended_code, const std::string& file, sqlite3* db);
  // what() without the name of the file.
  const std::string& reason() const { return reason_; }
  int code() const { return code_ & 0xff; }
  int extended_code() const { return code_; }
  int system_error() const { return system_error_; }  // an errno; 0: none is known

 private:
  std::string reason_;
  int code_;
  int system_error_ = 0;
};

// The SQLite library of this program. Throws Error if it cannot capture.
const SqliteHost& linked_host();

class Database;

class Statement {
 public:
  Statement() = default;
  Statement(Database& db, std::string_view sql);

  explicit operator bool() const { return handle_ != nullptr; }
  sqlite3_stmt* handle() const { return handle_.get(); }

  // Parameters count from 1. Text and blobs are not copied: they must live until
  // the next reset().
  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, std::string_view text);
  Statement& bind_blob(int index, std::string_view blob);
  Statement& bind_null(int index);
  Statement& bind(int index, const Value& value);

  // True while there is a row. Throws SqliteError.
  bool step();
  // The same, but gives SQLite's extended result code instead of throwing when
  // a constraint is violated, or an INTEGER PRIMARY KEY is no integer.
  int try_step();
  void reset();
  // Runs a statement that gives no rows, and resets it.
  void run();

  int columns() const;
  std::int64_t integer(int column) const;
  std::string_view text(int column) const;  // until the next step() or reset()
  std::string_view blob(int column) const;
  bool is_null(int column) const;
  Value value(int column) const;  // until the next step() or reset()

 private:
  [[noreturn]] void fail(int rc) const;
  // What is longer than SQLite takes would else become a NULL.
  void check_bound(int rc) const {
    if (rc != SQLITE_OK) fail(rc);
  }

  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

// Resets a statement at the end of a scope that reads from it, however that ends.
class ResetAtEnd {
 public:
  explicit ResetAtEnd(Statement& statement) : statement_(statement) {}
  ~ResetAtEnd() { statement_.reset(); }
  ResetAtEnd(const ResetAtEnd&) = delete;
  ResetAtEnd& operator=(const ResetAtEnd&) = delete;

 private:
  Statement& statement_;
};

class Database {
 public:
  // kProgram: for writing, as an app does it, which must load colony.so where kReadWrite may
  // write tables with a guard index if it can compile their triggers.
  enum class Mode { kReadOnly, kReadWrite, kProgram };

  Database() = default;
  // `path` may be a file: URI. Never creates a file. Throws SqliteError.
  Database(const std::string& path, Mode mode);

  sqlite3* handle() const { return handle_.get(); }
  const std::string& path() const { return path_; }

  void execute(const std::string& sql);
  // The first column of the first row.
  std::int64_t query_integer(const std::string& sql);
  std::string query_text(const std::string& sql);

  // Whom to ask, between two tries, whether to go on waiting for a lock; the
  // argument is how long the wait has lasted so far, in milliseconds. Between two times
  // `tries_at_once` lie `pause_max_ms` at most; kInsistently finds the gaps of a program that
  // commits without a pause, in which the lock is free for microseconds.
  static constexpr int kInsistently = 16;
  void wait_for_locks(std::function<bool(int waited_ms)> go_on, int pause_max_ms = 5, int tries_at_once = 1);
  // What is done besides, between two tries, from now on; null: nothing. Only on a connection
  // that waits like that. It must not throw.
  void do_while_waiting(std::function<void(int waited_ms)> besides);

  // Where what is read from and written to this database waits meanwhile, when it
  // is too much for memory: beside the file, unless set otherwise.
  const SpillSettings& spill() const { return spill_; }
  void set_spill(SpillSettings spill) { spill_ = std::move(spill); }

  bool in_transaction() const { return sqlite3_get_autocommit(handle()) == 0; }

 private:
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  std::string path_;
  SpillSettings spill_;
  struct LockWait {
    std::function<bool(int)> go_on;
    int pause_max_ms, tries_at_once;
    std::function<void(int)> besides = nullptr;
  };
  static int on_busy(void* lock_wait, int tries);

  std::unique_ptr<LockWait> lock_wait_;  // at one place, whatever moves
  std::unique_ptr<sqlite3, Close> handle_;
};

// BEGIN IMMEDIATE, and ROLLBACK unless commit() was called.
class ReadTransaction {
 public:
  explicit ReadTransaction(Database& db) : db_(db) { db_.execute("BEGIN"); }
  ~ReadTransaction();
  ReadTransaction(const ReadTransaction&) = delete;
  ReadTransaction& operator=(const ReadTransaction&) = delete;

 private:
  Database& db_;
};

class WriteTransaction {
 public:
  explicit WriteTransaction(Database& db);
  ~WriteTransaction();
  WriteTransaction(const WriteTransaction&) = delete;
  WriteTransaction& operator=(const WriteTransaction&) = delete;
  void commit();

 private:
  Database& db_;
  bool open_ = true;
};

}  // namespace colony
