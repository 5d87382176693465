#include "replicator/broker/cluster_status.h"

#include <charconv>
#include <exception>

#include "replicator/broker/jetstream_connection.h"
#include "replicator/broker/log_stream.h"
#include "replicator/broker/server_urls.h"
#include "replicator/log/error.h"
#include "replicator/log/names.h"

namespace colony {

namespace {

constexpr std::int64_t kListWaitMs = 4000;
constexpr const char* kClockKey = "clock";

using KeyValueHandle = std::unique_ptr<kvStore, NatsDeleter<&kvStore_Destroy>>;
using KeyValueEntryHandle = std::unique_ptr<kvEntry, NatsDeleter<&kvEntry_Destroy>>;
using KeyValueWatcherHandle = std::unique_ptr<kvWatcher, NatsDeleter<&kvWatcher_Destroy>>;

std::string bucket_name(const std::string& cluster) { return "COLONY_" + cluster; }
std::string lease_key(const std::string& what) { return "lease." + what; }

ClusterStatusSettings checked(ClusterStatusSettings settings) {
  if (!is_valid_name(settings.cluster)) throw Error("'" + settings.cluster + "' is not a valid name of a colony");
  return settings;
}

ClusterStatusEntry entry_of(kvEntry* entry) {
  return {
      kvEntry_Key(entry),
      std::string(static_cast<const char*>(kvEntry_Value(entry)), static_cast<std::size_t>(kvEntry_ValueLen(entry))),
      kvEntry_Created(entry), kvEntry_Revision(entry)};
}

// A lease's text: "<seconds> <who>", and nothing for who when it was released.
struct Lease {
  std::int64_t seconds = 0;
  std::string who;
};

Lease lease_of(const std::string& text) {
  Lease lease;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, lease.seconds);
  if (error != std::errc() || rest == end || *rest != ' ') return {};
  lease.who.assign(rest + 1, end);
  return lease;
}

}  // namespace

// The bucket over one connection.
class ClusterStatus::Bucket {
 public:
  Bucket(const ClusterStatusSettings& settings, const std::vector<std::string>& urls)
      : connection_(settings.broker, urls, settings.client_name) {}
  ~Bucket() {
    connection_.close();
    store_.reset();
  }

  bool is_open() const { return connection_.is_open(); }
  void close() { connection_.close(); }

  // False if it is not there.
  bool find(const ClusterStatusSettings& settings) {
    if (store_) return true;
    const std::string name = bucket_name(settings.cluster);
    kvStore* store = nullptr;
    natsStatus status = js_KeyValue(&store, connection_.jetstream(), name.c_str());
    if (status == NATS_NOT_FOUND && settings.read_only) return false;
    if (status == NATS_NOT_FOUND) status = create(&store, name, settings.replicas);
    store_.reset(store);
    if (status != NATS_OK) throw_unavailable("bucket " + name + " cannot be opened", status, static_cast<jsErrCode>(0));
    return true;
  }

  std::uint64_t put(const std::string& key, const std::string& text) {
    std::uint64_t revision = 0;
    require_nats(kvStore_Put(&revision, store_.get(), key.c_str(), text.data(), static_cast<int>(text.size())),
                 "the colony's board cannot be written");
    return revision;
  }

  // Only over `former`, or where nothing is. What came of it tells get().
  natsStatus replace(const std::string& key, const std::string& text, const std::optional<ClusterStatusEntry>& former) {
    const int size = static_cast<int>(text.size());
    if (!former) return kvStore_Create(nullptr, store_.get(), key.c_str(), text.data(), size);
    return kvStore_Update(nullptr, store_.get(), key.c_str(), text.data(), size, former->revision);
  }

  std::optional<ClusterStatusEntry> get(const std::string& key) {
    kvEntry* entry = nullptr;
    const natsStatus status = kvStore_Get(&entry, store_.get(), key.c_str());
    const KeyValueEntryHandle owner(entry);
    if (status == NATS_NOT_FOUND) return std::nullopt;
    require_nats(status, "the colony's board cannot be read");
    return entry_of(entry);
  }

  std::optional<Sequence> end_of(const std::string& stream) {
    jsStreamInfo* info = nullptr;
    jsErrCode code = static_cast<jsErrCode>(0);
    const natsStatus status = js_GetStreamInfo(&info, connection_.jetstream(), stream.c_str(), nullptr, &code);
    const StreamInfoHandle owner(info);
    if (code == JSStreamNotFoundErr) return std::nullopt;
    require_nats(status, "the log cannot be looked at");
    return Sequence(info->State.LastSeq);
  }

  std::vector<ClusterStatusEntry> all() {
    kvWatchOptions options;
    kvWatchOptions_Init(&options);
    options.IgnoreDeletes = true;
    options.Timeout = kListWaitMs;
    kvWatcher* watcher = nullptr;
    require_nats(kvStore_WatchAll(&watcher, store_.get(), &options), "the colony's board cannot be read");
    const KeyValueWatcherHandle owner(watcher);
    std::vector<ClusterStatusEntry> entries;
    for (;;) {
      kvEntry* entry = nullptr;
      require_nats(kvWatcher_Next(&entry, watcher, kListWaitMs), "the colony's board cannot be read");
      const KeyValueEntryHandle entry_owner(entry);
      if (entry == nullptr) return entries;  // that was all; what follows is news
      entries.push_back(entry_of(entry));
    }
  }

 private:
  // Somebody else may be quicker, with settings that differ: theirs count.
  natsStatus create(kvStore** store, const std::string& name, int replicas) {
    kvConfig config;
    kvConfig_Init(&config);
    config.Bucket = name.c_str();
    config.Description = "How the nodes of a colony are; not needed for anything";
    config.History = 1;
    config.StorageType = js_FileStorage;
    config.Replicas = replicas;
    const natsStatus status = js_CreateKeyValue(store, connection_.jetstream(), &config);
    return status == NATS_OK ? status : js_KeyValue(store, connection_.jetstream(), name.c_str());
  }

  JetStreamConnection connection_;
  KeyValueHandle store_;
};

// After a failure, the next call opens all anew: the bucket may have been deleted.
class ClusterStatus::CloseOnFailure {
 public:
  explicit CloseOnFailure(std::shared_ptr<Bucket> bucket) : bucket_(std::move(bucket)) {}
  ~CloseOnFailure() {
    if (bucket_ && std::uncaught_exceptions() > failures_) bucket_->close();
  }
  CloseOnFailure(const CloseOnFailure&) = delete;
  CloseOnFailure& operator=(const CloseOnFailure&) = delete;

 private:
  std::shared_ptr<Bucket> bucket_;
  int failures_ = std::uncaught_exceptions();
};

ClusterStatus::ClusterStatus(ClusterStatusSettings settings)
    : settings_(checked(std::move(settings))), urls_(parse_server_urls(settings_.broker.urls)) {
  open_nats_library();
}

ClusterStatus::~ClusterStatus() = default;

void ClusterStatus::interrupt() {
  interrupted_ = true;
  const std::lock_guard lock(mutex_);
  if (bucket_) bucket_->close();
}

// Null if there is no bucket and none may be made.
std::shared_ptr<ClusterStatus::Bucket> ClusterStatus::bucket() {
  if (interrupted_) throw Interrupted();
  std::shared_ptr<Bucket> current = bucket_;
  if (!current || !current->is_open()) {
    current = std::make_shared<Bucket>(settings_, urls_);
    const std::lock_guard lock(mutex_);
    bucket_ = current;
  }
  if (interrupted_) throw Interrupted();
  return current->find(settings_) ? current : nullptr;
}

void ClusterStatus::put(const std::string& key, const std::string& text) {
  const std::shared_ptr<Bucket> open = bucket();
  const CloseOnFailure closing(open);
  if (!open) throw LogUnavailable("the colony has no board yet");
  open->put(key, text);
}

std::vector<ClusterStatusEntry> ClusterStatus::entries() {
  const std::shared_ptr<Bucket> open = bucket();
  const CloseOnFailure closing(open);
  return open ? open->all() : std::vector<ClusterStatusEntry>();
}

std::optional<Sequence> ClusterStatus::log_end() {
  const std::shared_ptr<Bucket> open = bucket();
  const CloseOnFailure closing(open);
  return open ? open->end_of(stream_name(settings_.cluster)) : std::nullopt;
}

// Whoever asks writes, and reads what time the broker has stamped on it.
std::optional<std::int64_t> ClusterStatus::broker_time_ns(Bucket& open) {
  open.put(kClockKey, "");
  const std::optional<ClusterStatusEntry> clock = open.get(kClockKey);
  if (!clock) return std::nullopt;
  return clock->written_ns;
}

// Whether the lease is theirs now. A write that failed or was not answered may
// have been taken, or somebody else's was: the entry tells.
bool ClusterStatus::write_lease(Bucket& open, const std::string& what, const std::optional<ClusterStatusEntry>& former,
                                const std::string& who, std::chrono::seconds seconds) {
  const natsStatus status = open.replace(lease_key(what), std::to_string(seconds.count()) + " " + who, former);
  if (status == NATS_OK) return true;
  const std::string why = nats_failure(status);
  const std::optional<ClusterStatusEntry> now = open.get(lease_key(what));
  const bool unchanged = now.has_value() == former.has_value() && (!now || now->revision == former->revision);
  if (unchanged) throw LogUnavailable("the lease of " + what + " cannot be written: " + why);
  return now && lease_of(now->text).who == who;
}

bool ClusterStatus::take(const std::string& what, const std::string& who, std::chrono::seconds seconds) {
  const std::shared_ptr<Bucket> open = bucket();
  const CloseOnFailure closing(open);
  if (!open) throw LogUnavailable("the colony has no board yet");
  const std::optional<ClusterStatusEntry> former = open->get(lease_key(what));
  if (former) {
    const Lease lease = lease_of(former->text);
    if (!lease.who.empty() && lease.who != who) {
      const std::optional<std::int64_t> now_ns = broker_time_ns(*open);
      if (!now_ns || *now_ns < former->written_ns + lease.seconds * 1'000'000'000) return false;
    }
  }
  return write_lease(*open, what, former, who, seconds);
}

bool ClusterStatus::renew(const std::string& what, const std::string& who, std::chrono::seconds seconds) {
  const std::shared_ptr<Bucket> open = bucket();
  const CloseOnFailure closing(open);
  if (!open) return false;
  const std::optional<ClusterStatusEntry> former = open->get(lease_key(what));
  if (!former || lease_of(former->text).who != who) return false;
  return write_lease(*open, what, former, who, seconds);
}

void ClusterStatus::release(const std::string& what, const std::string& who) {
  const std::shared_ptr<Bucket> open = bucket();
  const CloseOnFailure closing(open);
  if (!open) return;
  const std::optional<ClusterStatusEntry> former = open->get(lease_key(what));
  if (former && lease_of(former->text).who == who) write_lease(*open, what, former, "", std::chrono::seconds(0));
}

}  // namespace colony
