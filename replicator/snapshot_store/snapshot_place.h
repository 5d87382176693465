// Where a sidecar keeps snapshots, as it tells others.
#pragma once

#include <string>

#include "replicator/snapshot_store/snapshot_store.h"

namespace colony {

// SnapshotStore::url() of the store at `url`, so that all call one place the same;
// "none" if `url` is empty. Throws Error as open_snapshot_store() does.
inline std::string snapshot_place(const std::string& url, const std::string& cluster, const BrokerSettings& broker) {
  return url.empty() ? "none" : open_snapshot_store(url, cluster, broker, 1)->url();
}

}  // namespace colony
