#include "replicator/broker/object_store.h"

#include <algorithm>
#include <set>

#include "replicator/broker/chunk_upload.h"
#include "replicator/broker/jetstream_connection.h"
#include "replicator/broker/log_consumer.h"
#include "replicator/broker/object_bucket.h"
#include "replicator/broker/server_urls.h"
#include "replicator/log/error.h"

namespace colony {

namespace {

constexpr std::size_t kChunkBytes = 128u << 10;
// Left of the broker's max_payload for headers.
constexpr std::size_t kHeaderRoom = 512;
constexpr std::chrono::milliseconds kSlice{200};
// After so long without a chunk it is looked whether there still are any.
constexpr std::chrono::seconds kQuiet{2};

ObjectStoreSettings checked(ObjectStoreSettings settings) {
  const std::string& bucket = settings.bucket;
  const bool valid = !bucket.empty() && bucket.find_first_not_of(
                                            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                            "0123456789_-") == bucket.npos;
  if (!valid) throw Error("'" + bucket + "' is not the name of a bucket: use letters, digits, _ and -");
  return settings;
}

void require_go_on(const ObjectStore::GoOn& go_on, std::uint64_t done, std::uint64_t total) {
  if (!go_on(done, total)) throw Interrupted();
}

std::size_t chunk_bytes(const JetStreamConnection& connection) {
  const auto payload =
      static_cast<std::size_t>(std::max<std::int64_t>(natsConnection_GetMaxPayload(connection.nats()), 0));
  if (payload <= kHeaderRoom) throw Error("the broker takes no chunks: raise max_payload to 64 KiB or more");
  return std::min(kChunkBytes, payload - kHeaderRoom);
}

}  // namespace

ObjectStore::ObjectStore(ObjectStoreSettings settings)
    : settings_(checked(std::move(settings))), urls_(parse_server_urls(settings_.broker.urls)) {
  open_nats_library();
}

ObjectStore::~ObjectStore() = default;

template <class Call>
auto ObjectStore::with_bucket(const Call& call) {
  try {
    if (!connection_ || !connection_->is_open()) {
      connection_ = std::make_unique<JetStreamConnection>(settings_.broker, urls_, settings_.client_name);
    }
    return call(ObjectBucket(*connection_, settings_.bucket));
  } catch (const BrokerRefused& refused) {
    connection_.reset();
    throw Error(std::string(refused.what()) + ": see to the user, the password or the key that it is given");
  } catch (const LogUnavailable&) {
    connection_.reset();
    throw;
  }
}

std::vector<ObjectStore::Entry> ObjectStore::list() {
  return with_bucket([](const ObjectBucket& bucket) {
    std::vector<Entry> entries;
    if (!bucket.exists()) return entries;
    for (const ObjectMeta& meta : bucket.contents().metas) {
      if (!meta.deleted && !meta.is_link) entries.push_back({meta.name, meta.bytes});
    }
    return entries;
  });
}

void ObjectStore::put(const std::string& name, const Source& source, std::uint64_t total, const GoOn& go_on) {
  with_bucket([&](const ObjectBucket& bucket) {
    bucket.create_if_missing(settings_.replicas);
    purge_dead(bucket);
    const std::optional<ObjectMeta> former = bucket.find(name);
    const ObjectMeta meta =
        upload(bucket, name, source, [&](std::uint64_t done) { require_go_on(go_on, done, total); });
    enter(bucket, meta);
    if (former && !former->deleted && !former->nuid.empty()) bucket.purge_chunks(former->nuid);
  });
}

ObjectMeta ObjectStore::upload(const ObjectBucket& bucket, const std::string& name, const Source& source,
                               const std::function<void(std::uint64_t)>& on_progress) {
  ObjectMeta meta;
  meta.name = name;
  meta.nuid = random_nuid();
  meta.chunk_bytes_max = chunk_bytes(*connection_);
  ChunkUpload chunks(*connection_, bucket, bucket.chunk_subject(meta.nuid), [&] { on_progress(meta.bytes); });
  try {
    Sha256 hash;
    std::string chunk(meta.chunk_bytes_max, '\0');
    while (const std::size_t bytes = source(chunk.data(), chunk.size())) {
      const std::string_view filled(chunk.data(), bytes);
      hash.update(filled);
      chunks.send(filled);
      meta.bytes += bytes;
      on_progress(meta.bytes);
    }
    chunks.finish();
    meta.chunks = chunks.sent();
    meta.digest = object_digest(hash.digest());
    return meta;
  } catch (...) {
    // What stays behind all the same is purged as dead one day.
    try {
      chunks.give_up();
      if (connection_->is_open()) bucket.purge_chunks(meta.nuid);
    } catch (const Error&) {
    }
    throw;
  }
}

// When the answer is missing, only the stream knows whether the object is in.
void ObjectStore::enter(const ObjectBucket& bucket, const ObjectMeta& meta) const {
  try {
    bucket.publish(meta);
  } catch (const Error&) {
    if (!connection_->is_open()) throw;
    const std::optional<ObjectMeta> entered = bucket.find(meta.name);
    if (entered && entered->nuid == meta.nuid) return;
    throw;
  }
}

// Ages are differences of the broker's own times: no other clock is asked.
void ObjectStore::purge_dead(const ObjectBucket& bucket) const {
  const ObjectBucket::Contents contents = bucket.contents();
  std::set<std::string> named;
  for (const ObjectMeta& meta : contents.metas) {
    if (!meta.deleted) named.insert(meta.nuid);
  }
  for (const std::string& nuid : bucket.uploads()) {
    if (named.contains(nuid)) continue;
    const std::optional<std::int64_t> latest = bucket.latest_chunk_ns(nuid);
    if (latest && contents.now_ns - *latest > settings_.dead_after.count()) bucket.purge_chunks(nuid);
  }
}

ObjectMeta ObjectStore::require_object(const ObjectBucket& bucket, const std::string& name) const {
  std::optional<ObjectMeta> meta = bucket.find(name);
  if (!meta || meta->deleted) throw Error("bucket " + settings_.bucket + " has no object " + name);
  if (meta->is_link) throw Error("object " + name + " of bucket " + settings_.bucket + " is a link, not a snapshot");
  return *meta;
}

void ObjectStore::get(const std::string& name, const Sink& sink, const GoOn& go_on) {
  with_bucket([&](const ObjectBucket& bucket) {
    const ObjectMeta meta = require_object(bucket, name);
    require_go_on(go_on, 0, meta.bytes);
    read_chunks(bucket, meta, sink, go_on);
  });
}

void ObjectStore::read_chunks(const ObjectBucket& bucket, const ObjectMeta& meta, const Sink& sink, const GoOn& go_on) {
  const std::string what = "object " + meta.name + " of bucket " + settings_.bucket;
  Sha256 hash;
  std::uint64_t bytes = 0;
  std::uint64_t chunks = 0;
  std::optional<LogConsumer> consumer;
  if (meta.chunks > 0)
    consumer.emplace(*connection_, bucket.stream(), Selection{Sequence(1), bucket.chunk_subject(meta.nuid)});
  LogConsumer::Clock::time_point heard = LogConsumer::Clock::now();
  while (chunks < meta.chunks) {
    Message message;
    const LogConsumer::Taken taken = consumer->take(message, LogConsumer::Clock::now() + kSlice);
    if (taken == LogConsumer::Taken::kGap) throw LogUnavailable(what + " came with a gap: try again");
    if (taken == LogConsumer::Taken::kMessage) {
      hash.update(message.data);
      bytes += message.data.size();
      ++chunks;
      sink(message.data);
      heard = LogConsumer::Clock::now();
    } else if (LogConsumer::Clock::now() >= heard + kQuiet) {
      const ObjectMeta now = require_object(bucket, meta.name);
      if (now.nuid != meta.nuid) throw LogUnavailable(what + " was replaced while it was read: try again");
      if (consumer->pending() == 0)
        throw Error(what + " has lost chunks: only " + std::to_string(chunks) + " of " + std::to_string(meta.chunks) +
                    " are there");
      heard = LogConsumer::Clock::now();
    }
    require_go_on(go_on, bytes, meta.bytes);
  }
  const bool intact = bytes == meta.bytes && (meta.digest.empty() || meta.digest == object_digest(hash.digest()));
  if (!intact) throw Error(what + " is damaged: its SHA-256 differs from the one that it was stored with");
}

void ObjectStore::remove(const std::string& name) {
  with_bucket([&](const ObjectBucket& bucket) {
    std::optional<ObjectMeta> meta = bucket.find(name);
    if (!meta || meta->deleted) return;
    const std::string nuid = meta->nuid;
    meta->deleted = true;
    meta->bytes = meta->chunks = 0;
    meta->digest.clear();
    bucket.publish(*meta);
    if (!nuid.empty()) bucket.purge_chunks(nuid);
  });
}

}  // namespace colony
