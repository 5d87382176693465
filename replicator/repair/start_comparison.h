// What a sidecar does first with a file in wal mode whose write-ahead log was begun anew while
// no sidecar ran: fetches a snapshot, finds with it what programs have committed, and queues
// that (missed_changes.h). Programs go on meanwhile.
//
// Threads: the applier's, before its first step. Errors: LogUnavailable, whose text says what
// waits for it, and Error: again, later; Interrupted.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "replicator/log/log.h"
#include "replicator/repair/missed_changes.h"
#include "replicator/snapshot_store/snapshot_catalog.h"
#include "replicator/status/loop_progress.h"
#include "replicator/status/state_reports.h"

namespace colony {

class StartComparison {
 public:
  struct Settings {
    std::string database;
    // Opens what has the colony's snapshots. Throws what the store does. Null: there are none.
    std::function<SnapshotCatalog()> snapshots;
    std::function<bool()> go_on;
    LoopProgress* loop_progress = nullptr;  // told that it goes on; must outlive it
  };
  // Whoever reads the write-ahead log.
  struct Capture {
    // Keeps the present state of the file readable from now on, by the read transaction of that
    // connection.
    std::function<Database&()> pin;
    // See MissedChanges::put(); of what was committed after pin().
    std::function<void(Database& db)> capture_since;
    // Called while a program holds the write lock: its checkpoint may wait for the pinned state.
    std::function<void()> make_way = [] {};
  };

  // All must outlive it.
  StartComparison(Settings settings, Log& log, StateReports& reports)
      : settings_(std::move(settings)), log_(log), reports_(reports) {}

  // When it returns, everything that programs have committed is captured.
  void run(const Capture& capture);

 private:
  using Clock = std::chrono::steady_clock;

  void compare(const Capture& capture);
  bool nobody_else_has_rows(NodeFile& file);
  void begin_without_comparison(const Capture& capture, const char* why);
  void tell(const MissedChanges::Found& found) const;
  void tell(const std::string& step);
  GoOn goes_on(const std::string& step, const char* unit);
  void check_goes_on() const;

  const Settings settings_;
  Log& log_;
  StateReports& reports_;
  Clock::time_point began_, told_;
};

}  // namespace colony
