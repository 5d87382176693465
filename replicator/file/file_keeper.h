// Looks whether a database and the two files beside it are still those that the
// sidecar has open, and saves what can be saved when they are not.
//
// SQLite goes on as if nothing had happened when somebody deletes a file that it has
// open, and two programs that have the database open through different files damage
// it. So, from the moment that the keeper notices,
//
//   database moved, deleted, out of reach   nothing is written; its return is noticed
//   database replaced by another file       the former one's write-ahead log is emptied
//                                           into the former one: SQLite would else read
//                                           it as the new one's
//   write-ahead log or its index deleted    what was committed is written into the
//                                           database, and the write lock is held: what a
//                                           program commits into a log that has no name
//                                           is lost with the last process that has it open
//
// Threads: one, the main one; nothing here waits for longer than kLockWaitMs. Owned
// before, and so destroyed after, everything that has the database open: a descriptor
// of it that is closed earlier would drop the process's locks.
#pragma once

#include <sys/stat.h>

#include <memory>
#include <string>

#include "replicator/store/sqlite.h"

namespace colony {

class FileKeeper {
 public:
  enum class Finding { kWell, kAway, kReplaced, kLogLost };
  struct Report {
    Finding finding = Finding::kWell;
    std::string message;  // what has happened and what to do; empty: all is well
  };

  // Throws Error. Opens two connections of its own.
  explicit FileKeeper(const std::string& database);
  ~FileKeeper();

  // Looks, and saves. To be called again and again while all is not well.
  Report look();

  // After kLogLost: no other process has the files open that are lost, so that the
  // sidecar can begin anew. It must then end without closing its connections.
  bool can_begin_anew() const;

 private:
  // A file that is held by its inode, without keeping anybody from anything.
  class Held;
  enum class There { kSame, kNone, kOther };

  Report look_at_database() const;
  Report save_lost_log();
  void disarm_log();
  void hold_write_lock();
  void write_back(int checkpoint_mode);

  std::string path_;
  int probe_ = -1;  // asks for locks; never closed before the connections are
  std::unique_ptr<Held> database_, log_, index_;
  Database locking_, copying_;
  bool holds_lock_ = false;
  bool disarmed_ = false;
};

// Before anything opens the database: throws Error if a program still has it open
// through a write-ahead log that was deleted, which must end first.
void refuse_lost_log(const std::string& database);

}  // namespace colony
