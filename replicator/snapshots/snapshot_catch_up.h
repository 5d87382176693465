// Helps a node whose file and log do not follow on one another: fetches the snapshot
// that bridges the gap, and has the applier install it.
//
// Threads: the applier's. Errors: Halt if no snapshot helps; those of the store and of
// Applier::install(). To be tried again, later.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "replicator/apply/applier.h"
#include "replicator/broker/broker_settings.h"
#include "replicator/file/staging_file.h"
#include "replicator/log/log.h"
#include "replicator/snapshot_store/snapshot_catalog.h"
#include "replicator/status/state_reports.h"

namespace colony {

class SnapshotCatchUp {
 public:
  struct Settings {
    std::string database;
    std::string cluster;
    BrokerSettings broker;
    std::string snapshot_url;  // empty: there are no snapshots
    // Whether to go on with what may take long.
    std::function<bool()> go_on;
    LoopProgress* loop_progress = nullptr;  // told that a comparison goes on
    BeginRead begin = {};                   // of the file
  };

  // All must outlive it.
  SnapshotCatchUp(Settings settings, Log& log, Applier& applier, StateReports& reports);

  // In all of these, a snapshot that was refused once is not fetched again, until there is a
  // newer one, or something has changed in the file that may make it acceptable.

  // This file has met nobody, and others have begun the colony: it takes their snapshot, if
  // its own rows allow it (initial_comparison.h). False if there is none yet: to be tried again
  // soon.
  bool meet(const BaseUnknown& unknown);

  // The log was cut while this node was away: it goes on from a snapshot.
  void take(const LogCut& cut);

  // The colony has gone on with a new log, by `colony recover`: it begins with a
  // snapshot.
  void take(const LogReplaced& replaced);

 private:
  struct Refusal {
    std::string newest;                        // snapshot there was
    std::optional<std::int64_t> file_version;  // nothing: it does not depend on what is in the file
    std::string why;
  };

  SnapshotCatalog catalog() const;
  void check_not_refused(const std::string& newest) const;
  void install(const StagingFile& base, const std::string& newest, OwnRows own_rows = OwnRows::kRefuse);
  void compare(const StagingFile& base);
  StagingFile place() const;
  StagingFile scratch() const;
  bool go_on() const;
  std::optional<SnapshotName> fetch(SnapshotCatalog& catalog, const SnapshotCatalog::Wanted& wanted,
                                    const StagingFile& place) const;
  // A file that has rows, and no way to learn those of the others.
  void go_on_alone();
  void tell_wait(const std::string& why);
  void check_history(const StagingFile& base, const SnapshotName& name) const;

  Settings settings_;
  Log& log_;
  Applier& applier_;
  StateReports& reports_;
  std::optional<std::chrono::steady_clock::time_point> waiting_since_;  // for the first snapshot
  std::optional<Refusal> refused_;
};

}  // namespace colony
