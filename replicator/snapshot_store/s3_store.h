// Snapshots in a bucket of S3 or of a server that speaks as it does. An upload is one
// signed PUT, which the server takes whole or not at all.
#pragma once

#include <string>
#include <vector>

#include "replicator/snapshot_store/curl_client.h"
#include "replicator/snapshot_store/snapshot_store.h"
#include "replicator/snapshot_store/store_url.h"

namespace colony {

class S3Store final : public SnapshotStore {
 public:
  // `url` has the scheme s3, and may have the options endpoint and region. Throws
  // Error when the environment has no keys.
  explicit S3Store(const StoreUrl& url);

  std::string url() const override { return shown_; }

  // Throws Error when there is no such bucket: that is not ours to make.
  std::vector<StoredObject> list() override;

  // Reads the file twice: what is sent is signed before. 5 GiB at most.
  void put(const std::string& name, const std::string& path, const GoOn& go_on) override;
  void get(const std::string& name, const Sink& sink, const GoOn& go_on) override;
  void remove(const std::string& name) override;

 private:
  CurlAnswer perform(CurlRequest request, const std::string& what);
  void require_done(const CurlAnswer& answer, const std::string& what) const;
  std::string address_of(const std::string& name) const;

  const std::string shown_;
  const std::string bucket_address_;  // "http://host:port/bucket"
  const std::string host_;            // "host:port"
  const std::string prefix_;          // decoded; empty, or with a '/' at its end
  const std::string session_token_;
  CurlClient client_;
};

}  // namespace colony
