// A bucket of a NATS object store, over a connection of its own: objects that other
// clients (such as `nats object`) can list, fetch and store as well.
//
// An object appears when its meta message is in the stream, after all its chunks.
// The chunks of an upload that died are purged by a later put().
//
// Threads: one at a time. Errors: LogUnavailable when the broker cannot be reached
// or cannot do it now, Error when it refuses us or the object is missing or damaged.
// Whatever go_on or a sink throws comes through.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "replicator/broker/broker_settings.h"

namespace colony {

class JetStreamConnection;
class ObjectBucket;
struct ObjectMeta;

struct ObjectStoreSettings {
  BrokerSettings broker = {};  // where it is, and who we are to it
  std::string bucket = {};     // letters, digits, _ and -
  int replicas = 1;            // of the bucket, when it is made
  std::string client_name = "colony";
  // An upload is dead when it has no meta message and its last chunk is older.
  std::chrono::nanoseconds dead_after = std::chrono::hours(1);
};

class ObjectStore {
 public:
  struct Entry {
    std::string name;
    std::uint64_t bytes = 0;
  };
  // Bytes moved so far of how many; false to give up, which throws Interrupted.
  using GoOn = std::function<bool(std::uint64_t done, std::uint64_t total)>;
  // Fills `room` bytes, fewer only at the end.
  using Source = std::function<std::size_t(char* buffer, std::size_t room)>;
  using Sink = std::function<void(std::string_view bytes)>;

  // Throws Error on malformed settings. Touches no network.
  explicit ObjectStore(ObjectStoreSettings settings);
  ~ObjectStore();

  std::vector<Entry> list();

  // Makes the bucket if it is missing; the object of that name is replaced at the
  // end. `total` is for go_on only. Holds one chunk of at most 128 KiB.
  void put(const std::string& name, const Source& source, std::uint64_t total, const GoOn& go_on);

  // Gives slices of at most a chunk, whose number and SHA-256 are checked at the
  // end. The broker sends at most 32 MiB ahead of a slow sink.
  void get(const std::string& name, const Sink& sink, const GoOn& go_on);

  // Nothing happens if it is not there.
  void remove(const std::string& name);

 private:
  // Runs `call` on a bucket over an open connection; a connection that failed is
  // not used again.
  template <class Call>
  auto with_bucket(const Call& call);
  ObjectMeta require_object(const ObjectBucket& bucket, const std::string& name) const;
  ObjectMeta upload(const ObjectBucket& bucket, const std::string& name, const Source& source,
                    const std::function<void(std::uint64_t done)>& on_progress);
  void enter(const ObjectBucket& bucket, const ObjectMeta& meta) const;
  void purge_dead(const ObjectBucket& bucket) const;
  void read_chunks(const ObjectBucket& bucket, const ObjectMeta& meta, const Sink& sink, const GoOn& go_on);

  const ObjectStoreSettings settings_;
  const std::vector<std::string> urls_;
  std::unique_ptr<JetStreamConnection> connection_;
};

}  // namespace colony
