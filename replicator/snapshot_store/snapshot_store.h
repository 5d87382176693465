// Where snapshots are kept: a flat folder of immutable objects, in one of several
// kinds of places. A port; open_snapshot_store() picks the adapter by URL.
//
//   nats:[BUCKET]                     an object store of the colony's own broker
//   /some/folder, file:///some/folder a directory
//   s3://bucket/prefix                an S3-compatible store (?endpoint=URL&region=NAME)
//   sftp://[user@]host[:port]/folder
//   webdav://host/folder, webdavs://  WebDAV over http or https
//
// Objects appear whole or not at all: an upload that was cut off leaves nothing
// that list() shows. Names hold letters, digits, '.', '_' and '-' only.
//
// Threads: one at a time. Errors: LogUnavailable when the store cannot be reached
// just now (try again later), Error when it never will (a refusal, a malformed
// URL, no such object), Interrupted when the progress callback said to stop.
// Credentials never appear in messages.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "replicator/broker/broker_settings.h"

namespace colony {

struct StoredObject {
  std::string name;
  std::uint64_t bytes = 0;
};

class SnapshotStore {
 public:
  // Bytes moved so far of how many; false to give up.
  using GoOn = std::function<bool(std::uint64_t done, std::uint64_t total)>;
  using Sink = std::function<void(std::string_view bytes)>;

  virtual ~SnapshotStore() = default;

  // Fit to be shown: without credentials.
  virtual std::string url() const = 0;

  // In no particular order. What is not there yet is made by put(): then empty.
  virtual std::vector<StoredObject> list() = 0;

  // Stores the file at `path` under `name`, replacing what has that name. Never
  // holds more than a few hundred KiB of it in memory.
  virtual void put(const std::string& name, const std::string& path, const GoOn& go_on) = 0;

  // Gives the object's bytes in order, in slices. Whether they are what was put is
  // for the caller to check; a store that knows better throws Error.
  virtual void get(const std::string& name, const Sink& sink, const GoOn& go_on) = 0;

  // Nothing happens if it is not there.
  virtual void remove(const std::string& name) = 0;
};

// `cluster` names the default bucket of nats:, COLONY_<cluster>, and `broker`
// is where that is; `replicas` counts its copies if it is made here. Touches
// neither network nor disk yet. Throws Error on a URL that is none of the above.
std::unique_ptr<SnapshotStore> open_snapshot_store(const std::string& url, const std::string& cluster,
                                                   const BrokerSettings& broker, int replicas);

}  // namespace colony
