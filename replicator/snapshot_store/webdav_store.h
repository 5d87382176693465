// Snapshots in a folder of a WebDAV server. An upload goes to a temporary name and
// is moved into place.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "replicator/snapshot_store/curl_client.h"
#include "replicator/snapshot_store/snapshot_store.h"
#include "replicator/snapshot_store/store_url.h"

namespace colony {

class WebdavStore final : public SnapshotStore {
 public:
  // `url` has the scheme webdav or webdavs.
  explicit WebdavStore(const StoreUrl& url);

  std::string url() const override { return shown_; }
  std::vector<StoredObject> list() override;
  void put(const std::string& name, const std::string& path, const GoOn& go_on) override;
  void get(const std::string& name, const Sink& sink, const GoOn& go_on) override;
  void remove(const std::string& name) override;

 private:
  // Everything in the folder that is no folder, temporary files too; nothing if
  // there is no such folder.
  std::optional<std::vector<StoredObject>> files();
  void make_folder(const std::string& path);
  void remove_file(const std::string& file, const std::string& what);
  std::string address(const std::string& path) const;
  std::string address_of(const std::string& file) const { return address(folder_ + "/" + file); }

  const std::string shown_;
  const std::string server_;  // "http://host:port"
  const std::string folder_;  // decoded; empty for the root
  CurlClient client_;
};

}  // namespace colony
