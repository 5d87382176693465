// Keeps the state of a database that is captured from being overwritten: a read transaction,
// which the next one replaces before it ends.
//
// SQLite does not copy pages of the log into the database beyond what the oldest reader needs,
// and does not begin the log anew under a reader of it. A reader that needs no page of the log
// lets it be begun anew once, and then keeps it from being copied.
//
// Threads: one at a time. Errors: SqliteError; WalLost if the checkpoint lock cannot be had.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "replicator/store/sqlite.h"
#include "replicator/wal/wal_log.h"

namespace colony {

class WalPin {
 public:
  explicit WalPin(const std::string& path);
  ~WalPin();
  WalPin(const WalPin&) = delete;
  WalPin& operator=(const WalPin&) = delete;

  const WalLog& log() const { return *log_; }
  // The connection that reads the state that is kept.
  Database& reader() { return readers_[current_]; }

  // Begins to keep the latest state beside the present one.
  void open_next();
  bool has_next() const { return next_is_open_; }
  Database& next_reader() { return readers_[1 - current_]; }
  // From now on only the next one, or only the present one.
  void take_next();
  void drop_next();
  // Keeps nothing any more.
  void close();

  // Moves to the latest state if that is `end`, when it helps somebody. True if it has.
  bool move_to(const WalEnd& end);

  // SQLite's write lock: nobody can commit until it is unlocked. False if somebody has it.
  bool try_lock_writers();
  void unlock_writers();

  // Whether anybody, this included, reads a state that needs pages of the log.
  bool log_is_read();

  // Nobody can copy pages of the log into the database until it is unlocked.
  void lock_checkpoints();
  void unlock_checkpoints();
  bool locks_checkpoints() const { return locks_checkpoints_; }

 private:
  Database file_;  // whose handles the log is read through
  std::optional<WalLog> log_;
  std::array<Database, 2> readers_;
  int current_ = 0;
  bool is_open_ = false, next_is_open_ = false, locks_checkpoints_ = false;
  std::optional<WalEnd> at_;  // of the present one, if it is known
  bool is_free_ = false;      // it needs no page of the log
};

}  // namespace colony
