// The applier's turns at the write lock that it shares with the app: how long it waits
// for one, how long it holds it, and when it should leave it alone.
//
// Takes over what SQLite's connection does while a lock is taken, and after a commit.
// Threads: the applier's. One for a connection, which must outlive it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "replicator/file/wal_keeper.h"
#include "replicator/file/write_lock_throttle.h"
#include "replicator/store/sqlite.h"

namespace colony {

class WriteTurns {
 public:
  using Clock = std::chrono::steady_clock;

  // Told that it waits for a lock that an app holds, once that has lasted, and (nothing)
  // that it no longer does.
  using OnWait = std::function<void(std::optional<Clock::time_point> since)>;

  // `go_on_waiting` is asked between two tries for the lock. `db` and `wal` must outlive it.
  WriteTurns(Database& db, WalKeeper& wal, OnWait on_wait, std::function<bool(int waited_ms)> go_on_waiting);
  WriteTurns(const WriteTurns&) = delete;
  WriteTurns& operator=(const WriteTurns&) = delete;

  // While one lives, the write lock is held. Made inside the write transaction.
  class Turn {
   public:
    explicit Turn(WriteTurns& turns);
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    WriteTurns& turns_;
    bool others_wrote_;
    Clock::time_point from_;
  };

  // The lock was taken, or is no longer asked for: people need not hear of a wait.
  void end_wait();

  // Whether the file, which was in step, has been behind the log for too long.
  void set_late(bool late) { throttle_.set_late(late); }

  // How long the lock should be left alone, for the app's sake.
  Clock::duration rest() const { return throttle_.rest(Clock::now()); }

  // Whether an app has written of late.
  bool app_writes() const { return throttle_.app_writes(Clock::now()); }

 private:
  bool wait(int waited_ms);
  void committed(int wal_pages);
  bool others_wrote();

  Statement data_version_;  // moves with commits of other connections
  WalKeeper& wal_;
  OnWait on_wait_;
  std::function<bool(int waited_ms)> go_on_waiting_;
  WriteLockThrottle throttle_;
  std::int64_t known_data_version_ = 0;
  Clock::time_point released_;  // when the latest commit let go of the lock
  Clock::time_point wait_began_;
  bool wait_told_ = false;
};

}  // namespace colony
