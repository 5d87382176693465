#include "replicator/snapshot_store/broker_store.h"

#include "replicator/snapshot_store/local_file.h"
#include "replicator/snapshot_store/object_name.h"

namespace colony {

// What others keep in the bucket under names that none of ours could have is not
// shown.
std::vector<StoredObject> BrokerStore::list() {
  std::vector<StoredObject> objects;
  for (ObjectStore::Entry& entry : objects_.list()) {
    if (is_object_name(entry.name)) objects.push_back({std::move(entry.name), entry.bytes});
  }
  return objects;
}

void BrokerStore::put(const std::string& name, const std::string& path, const GoOn& go_on) {
  require_object_name(name);
  const LocalFile file = LocalFile::open_to_read(path);
  objects_.put(
      name, [&](char* buffer, std::size_t room) { return file.read(buffer, room); }, file.bytes(), go_on);
}

void BrokerStore::get(const std::string& name, const Sink& sink, const GoOn& go_on) {
  require_object_name(name);
  objects_.get(name, sink, go_on);
}

void BrokerStore::remove(const std::string& name) {
  require_object_name(name);
  objects_.remove(name);
}

}  // namespace colony
