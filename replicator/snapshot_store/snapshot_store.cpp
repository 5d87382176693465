#include "replicator/snapshot_store/snapshot_store.h"

#include "replicator/log/error.h"
#include "replicator/snapshot_store/broker_store.h"
#include "replicator/snapshot_store/directory_store.h"
#include "replicator/snapshot_store/s3_store.h"
#include "replicator/snapshot_store/sftp_store.h"
#include "replicator/snapshot_store/store_url.h"
#include "replicator/snapshot_store/webdav_store.h"

namespace colony {

namespace {

constexpr const char* kKinds =
    "nats:[BUCKET], /FOLDER, file:///FOLDER, s3://BUCKET/PREFIX, sftp://HOST/FOLDER, webdav://HOST/FOLDER or "
    "webdavs://HOST/FOLDER";

std::string folder_of(const std::string& path) {
  std::string folder = path;
  while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
  return folder;
}

std::unique_ptr<SnapshotStore> open_broker_store(const std::string& bucket, const std::string& cluster,
                                                 const BrokerSettings& broker, int replicas) {
  ObjectStoreSettings settings;
  settings.broker = broker;
  settings.bucket = bucket.empty() ? "COLONY_" + cluster : bucket;
  settings.replicas = replicas;
  settings.client_name = "colony snapshots of " + cluster;
  return std::make_unique<BrokerStore>(settings);
}

}  // namespace

std::unique_ptr<SnapshotStore> open_snapshot_store(const std::string& url, const std::string& cluster,
                                                   const BrokerSettings& broker, int replicas) {
  constexpr std::string_view kBroker = "nats:";
  constexpr std::string_view kFile = "file://";
  if (url.starts_with("nats://")) {
    throw Error("'" + without_password(url) +
                "' is the address of a broker, not of a snapshot store: write nats: or nats:BUCKET");
  }
  if (url.starts_with(kBroker)) return open_broker_store(url.substr(kBroker.size()), cluster, broker, replicas);
  if (url.starts_with('/')) return std::make_unique<DirectoryStore>(folder_of(url));
  if (url.starts_with("file:///")) {
    return std::make_unique<DirectoryStore>(folder_of(percent_decoded(url.substr(kFile.size()))));
  }
  if (url.starts_with("s3://")) return std::make_unique<S3Store>(parse_store_url(url, {"endpoint", "region"}));
  if (url.starts_with("sftp://")) return std::make_unique<SftpStore>(parse_store_url(url, {"key", "known_hosts"}));
  if (url.starts_with("webdav://") || url.starts_with("webdavs://")) {
    return std::make_unique<WebdavStore>(parse_store_url(url, {}));
  }
  throw Error("'" + without_password(url) + "' is not the URL of a snapshot store: write " + kKinds);
}

}  // namespace colony
