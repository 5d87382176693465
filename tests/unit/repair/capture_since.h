// What a sidecar does with MissedChanges: captures what was committed since a moment, from the
// write-ahead log.
#pragma once

#include <optional>
#include <string>

#include "replicator/wal/wal_capture.h"

namespace colony::unit {

class CaptureSince {
 public:
  explicit CaptureSince(const std::string& path) : capture_(path) {}

  // From now on.
  Database& pin() {
    turn_.reset();
    return capture_.follow_from_here();
  }
  // In the write transaction of `db`.
  void capture_since(Database& db) {
    turn_.emplace(capture_, db);
    turn_->before_commit(WalCapture::Turn::Tables::kMayBeOthers);
  }

 private:
  WalCapture capture_;
  std::optional<WalCapture::Turn> turn_;
};

}  // namespace colony::unit
