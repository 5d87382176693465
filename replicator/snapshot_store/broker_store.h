// Snapshots in an object store of the colony's own broker.
#pragma once

#include <string>
#include <vector>

#include "replicator/broker/object_store.h"
#include "replicator/snapshot_store/snapshot_store.h"

namespace colony {

class BrokerStore final : public SnapshotStore {
 public:
  // Throws Error on malformed settings.
  explicit BrokerStore(const ObjectStoreSettings& settings) : bucket_(settings.bucket), objects_(settings) {}

  std::string url() const override { return "nats:" + bucket_; }
  std::vector<StoredObject> list() override;
  void put(const std::string& name, const std::string& path, const GoOn& go_on) override;
  // Throws Error also when the object's digest does not fit what came.
  void get(const std::string& name, const Sink& sink, const GoOn& go_on) override;
  void remove(const std::string& name) override;

 private:
  const std::string bucket_;
  ObjectStore objects_;
};

}  // namespace colony
