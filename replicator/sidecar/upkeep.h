// What is done now and then: snapshots are made and the log is cut behind them, and the
// nodes are asked whether all have the same rows.
//
// Threads: one for the housekeeper, one for the checker, and at the end one that waits for
// the former.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "replicator/repair/checker.h"
#include "replicator/sidecar/loops.h"
#include "replicator/sidecar/reporting.h"
#include "replicator/snapshots/housekeeper.h"

namespace colony {

class Upkeep {
 public:
  static constexpr int kLoops = 2;  // the checker's, and the housekeeper, whose end is waited for

  // `send` hands an entry to the publisher; `capture` is null in session mode. All must outlive
  // it. Throws Error, and SqliteError.
  Upkeep(const SidecarSettings& settings, ServedFile& file, WalCapture* capture, Reporting& reporting,
         std::function<void(QuestionEntry)> send, Loops& loops);

  // Throws Error on a malformed URL of snapshots.
  void start();
  // Cuts short what the checker is at.
  void stop() { checker_.interrupt(); }
  // The housekeeper gives up what it is at. After stop(); does not wait for it.
  void close();
  // Once both have ended.
  void join();

 private:
  HousekeepingSettings housekeeping() const;
  void check();

  const SidecarSettings& settings_;
  ServedFile& file_;
  WalCapture* const capture_;
  Reporting& reporting_;
  std::function<void(QuestionEntry)> send_;
  Loops& loops_;
  Checker checker_;
  std::optional<Housekeeper> housekeeper_;
  std::thread checking_, closing_;
};

}  // namespace colony
