// Says in the log who keeps the sidecar from writing, and who keeps the write-ahead log
// from being emptied: once each, when it lasts, and again when it is over.
//
// Threads: one, asked every second or so. It must live until all of the process's
// connections to the database are closed (wal_index.h).
#pragma once

#include <chrono>
#include <string>

#include "replicator/status/status.h"
#include "replicator/store/wal_index.h"

namespace colony {

class LockWatch {
 public:
  using Clock = std::chrono::steady_clock;

  explicit LockWatch(const std::string& database) : wal_(database + "-wal"), index_(database) {}

  void look(const StatusView& status, Clock::time_point now);

 private:
  std::string wal_;
  WalIndex index_;
  StatusView::Since wait_reported_, block_reported_;
};

}  // namespace colony
