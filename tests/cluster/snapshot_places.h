// Real places for snapshots, one of each kind that open_snapshot_store() knows,
// with the server that it takes: on loopback, and gone when the place is.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "replicator/snapshot_store/snapshot_store.h"

namespace colony {

// What every wrong password of the tests is; no message may have it.
inline constexpr const char* kWrongSecret = "Wr0ngSecret";

class SnapshotPlace {
 public:
  virtual ~SnapshotPlace() = default;

  // The same store each time.
  virtual std::unique_ptr<SnapshotStore> open() = 0;

  // A store of this place that must not let us in.
  virtual std::unique_ptr<SnapshotStore> open_with_wrong_credentials() = 0;

  // Returns false where there is no server that could be away.
  virtual bool stop_server() = 0;

  // All that is stored there for `store`, under whatever name.
  virtual std::vector<std::string> files() = 0;

  // Only where the place is a folder behind its server: adds a file aside of it, and
  // tells who may read one.
  virtual void add_file(const std::string& name);
  virtual int mode_of(const std::string& name);
};

// "directory", "nats", "webdav", "s3" or "sftp". Throws std::runtime_error when the
// server does not come up.
std::unique_ptr<SnapshotPlace> make_snapshot_place(const std::string& kind);

std::vector<std::string> snapshot_place_kinds();

}  // namespace colony
