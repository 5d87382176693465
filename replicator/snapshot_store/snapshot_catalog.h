// The snapshots of one colony in one store: listed, fetched and proven.
//
// Threads: one at a time. Errors: those of the store.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "replicator/snapshot_store/snapshot_name.h"
#include "replicator/snapshot_store/snapshot_store.h"

namespace colony {

struct CatalogedSnapshot {
  SnapshotName name;
  std::uint64_t bytes = 0;  // in the store
};

class SnapshotCatalog {
 public:
  // Which snapshots will do.
  struct Wanted {
    std::string epoch;  // of the log
    Sequence from;      // positions in this range
    Sequence to = Sequence(~0ull);
    std::string not_by = {};  // a node whose snapshots will not do; empty: none
  };
  // A snapshot was ignored, and why.
  using OnRejected = std::function<void(const SnapshotName& name, const std::string& why)>;

  SnapshotCatalog(std::unique_ptr<SnapshotStore> store, std::string cluster);

  std::string url() const { return store_->url(); }

  // Those of this colony, whatever their log, by position.
  std::vector<CatalogedSnapshot> list();

  // Stores the snapshot file at `path`, reads it back, and throws Error if it is
  // not what was stored.
  void put(const SnapshotName& name, const std::string& path, const SnapshotStore::GoOn& go_on);

  // Writes the SQLite file of the newest snapshot that will do and is undamaged to
  // `to`; one that cannot be had, for whatever reason of its own, is ignored for
  // the one before. Nothing if there is none. Throws DiskRefusal, too.
  std::optional<SnapshotName> fetch(const Wanted& wanted, const std::string& to, const SnapshotStore::GoOn& go_on,
                                    const OnRejected& on_rejected);

  // Reads it, and tells what is wrong with it; empty if nothing is.
  std::string damage(const SnapshotName& name, const SnapshotStore::GoOn& go_on);

  void remove(const SnapshotName& name) { store_->remove(name.text()); }

 private:
  void unpack(const SnapshotName& name, const std::string& to, const SnapshotStore::GoOn& go_on);

  std::unique_ptr<SnapshotStore> store_;
  std::string cluster_;
};

}  // namespace colony
