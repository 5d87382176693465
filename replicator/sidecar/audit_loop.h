// The thread of a sidecar that watches a file in session mode (session_audit.h): as the write-ahead
// log tells of commits, and otherwise now and then. The applier looks as well, before each of its
// rounds.
//
// Its read transaction is always a little behind a busy program, so that the program's own
// checkpoints would never let the log be begun anew. So this copies a log that has grown into the
// database itself, the last of it under the write lock.
//
// Threads: run() on one of its own; wake() on any. The audit's listener is called on this thread
// and on the applier's.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#include "replicator/sidecar/loops.h"
#include "replicator/status/status.h"
#include "replicator/wal/session_audit.h"

namespace colony {

// Tells the status and the log what an audit finds.
SessionAudit::Listener audit_reports(Status& status);

class AuditLoop {
 public:
  // All must outlive it. `on_captured` is called when something has come into the outbox.
  AuditLoop(const std::string& path, SessionAudit& audit, Loops& loops, std::function<void()> on_captured);

  void run();

  // Programs may have committed something, or the loops are to end.
  void wake();

 private:
  using Clock = std::chrono::steady_clock;

  bool step();
  void shorten_log();
  void copy_log();
  bool wait(Clock::duration time);

  SessionAudit& audit_;
  Loops& loops_;
  const std::function<void()> on_captured_;
  Database db_, copier_;
  std::uint64_t read_ = 0;        // frames that the audit had read
  FrameNumber shortened_at_ = 0;  // how long the log was then
  std::mutex mutex_;
  std::condition_variable woken_;
  bool wake_ = false;  // guarded by mutex_
};

}  // namespace colony
