// Snapshots in a folder that is reached by SFTP. An upload goes to a temporary name
// and is renamed.
//
// Replacing removes the former object just before the new one gets its name: for a
// moment there is neither, since SFTP's own rename does not replace.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "replicator/snapshot_store/curl_client.h"
#include "replicator/snapshot_store/snapshot_store.h"
#include "replicator/snapshot_store/store_url.h"

namespace colony {

class SftpStore final : public SnapshotStore {
 public:
  // `url` has the scheme sftp, and may have the options key and known_hosts. A path
  // that begins with /~/ is below the user's home there.
  explicit SftpStore(const StoreUrl& url);

  std::string url() const override { return shown_; }
  std::vector<StoredObject> list() override;
  void put(const std::string& name, const std::string& path, const GoOn& go_on) override;
  void get(const std::string& name, const Sink& sink, const GoOn& go_on) override;
  void remove(const std::string& name) override;

 private:
  // Everything in the folder that is a file, temporary ones too.
  std::vector<StoredObject> files();
  void command(const std::vector<std::string>& commands, const std::string& what);
  std::string address_of(const std::string& file) const;
  std::string path_of(const std::string& file) const;

  const std::string shown_;
  const std::string server_;  // "sftp://host:port"
  const std::string folder_;  // decoded; empty for the root
  CurlClient client_;
};

}  // namespace colony
