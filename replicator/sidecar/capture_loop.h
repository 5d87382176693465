// The thread of a sidecar that captures what programs commit to a file in wal mode: as the
// write-ahead log tells of it, and otherwise now and then. The applier does it as well, before
// each of its rounds.
//
// A program that commits one transaction right after the other meets the lock each time that
// this takes it, and sleeps. So beside such a one it comes only some times a second; a commit
// now and then is captured at once, and so is what makes the log long.
//
// Threads: run() on one of its own; wake() on any.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>

#include "replicator/sidecar/capture_pace.h"
#include "replicator/sidecar/loops.h"
#include "replicator/wal/own_transaction.h"
#include "replicator/wal/wal_shortener.h"

namespace colony {

class CaptureLoop {
 public:
  // `on_captured` is called when something has come into the outbox. While capturing fails, `failed`
  // is called instead: whoever writes next meets the same, and reports it. All must outlive it.
  struct Listeners {
    std::function<void()> on_captured;
    std::function<void()> on_failed;
  };
  CaptureLoop(const std::string& path, WalCapture& capture, Loops& loops, Listeners listeners);

  void run();

  // Programs may have committed something, or the loops are to end.
  void wake();

 private:
  using Clock = std::chrono::steady_clock;

  bool step();
  void keep_pace();
  bool read();
  void queue();
  bool queue_if_unlocked(Clock::time_point asked);
  bool wait(Clock::duration time);

  WalCapture& capture_;
  Loops& loops_;
  const Listeners listeners_;
  Database db_;
  bool waits_ = false;  // for the write lock
  CapturePace pace_;
  WalShortener shortener_;
  std::mutex mutex_;
  std::condition_variable woken_;
  bool wake_ = false;  // guarded by mutex_
};

}  // namespace colony
