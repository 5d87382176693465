// Brings to disk what programs have committed to a database in WAL mode.
//
// With `PRAGMA synchronous = NORMAL` a commit is in the write-ahead log when COMMIT
// returns, and on the disk some time later: a power cut takes the latest commits back.
// Who tells others of a commit must flush the log first.
//
// The flush goes through the very files that SQLite has open for the connection, so
// that nothing is opened or closed here: closing any descriptor of a database drops all
// locks that the process has on it. SQLite brings the log's name in its folder to disk
// together with it. The database itself is flushed where the log was begun anew: what
// stood in the log before is in the database only, and a program with `synchronous =
// OFF` has copied it there without a flush. Such a program can lose commits, or its
// database, to a power cut all the same: later, by what it writes over them.
//
// Threads: the connection's. Errors: SqliteError; nothing counts as flushed then.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "replicator/store/sqlite.h"

namespace colony {

class FileFlush {
 public:
  // `db` must outlive it, and not write: what it commits itself is not noticed.
  explicit FileFlush(Database& db);

  // All that was committed before the call is on the disk after it. Costs nothing if
  // nothing was committed since the call before.
  void run();

  // How often the disk was asked to.
  std::uint64_t flushes() const { return flushes_; }

 private:
  // What the log's header says of its present life: it changes when that begins.
  using LogLife = std::array<char, 8>;

  std::int64_t version();
  sqlite3_file* file(int which) const;
  std::optional<LogLife> life_of(sqlite3_file* log) const;
  void sync(sqlite3_file* file);

  Database& db_;
  Statement version_of_;
  std::optional<std::int64_t> flushed_;  // as of which version of the database
  std::optional<LogLife> life_;          // of the log that was flushed
  std::uint64_t flushes_ = 0;
};

}  // namespace colony
