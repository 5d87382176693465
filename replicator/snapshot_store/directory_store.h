// Snapshots in a directory of this machine, or of one that is mounted here.
//
// Whoever uploads holds a lock on the temporary file, which ends with the process:
// by that the next put() knows the dead ones and removes them.
#pragma once

#include <string>
#include <vector>

#include "replicator/snapshot_store/snapshot_store.h"

namespace colony {

class DirectoryStore final : public SnapshotStore {
 public:
  // `folder` is absolute. It is made by the first put(), for its owner only.
  explicit DirectoryStore(std::string folder);

  std::string url() const override { return folder_; }
  std::vector<StoredObject> list() override;

  // On disk, folder entry included, when it returns. Never more readable than the
  // file at `path`.
  void put(const std::string& name, const std::string& path, const GoOn& go_on) override;
  void get(const std::string& name, const Sink& sink, const GoOn& go_on) override;
  void remove(const std::string& name) override;

 private:
  void remove_dead_uploads();
  std::string path_of(const std::string& name) const { return folder_ + "/" + name; }

  const std::string folder_;
};

}  // namespace colony
