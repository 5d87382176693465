#include "sqlite_ext/sqlite_host.h"

#include <dlfcn.h>

#include <cstring>
#include <utility>
#include <vector>

namespace colony {
namespace {

// The counters as `struct sqlite3` has held them since 3.37: two 64-bit
// integers side by side.
struct ChangeCounters {
  std::int64_t changes;
  std::int64_t total_changes;
};
constexpr int kCountersAre64BitSince = 3037000;

ChangeCounters counters_of(sqlite3* db) { return {sqlite3_changes(db), sqlite3_total_changes(db)}; }

ChangeCounters read_counters(sqlite3* db, std::size_t offset) {
  ChangeCounters counters;
  std::memcpy(&counters, reinterpret_cast<const char*>(db) + offset, sizeof counters);
  return counters;
}

// The public functions may be the 32-bit ones: compare what they can tell.
bool same(const ChangeCounters& a, const ChangeCounters& b) {
  return static_cast<int>(a.changes) == static_cast<int>(b.changes) &&
         static_cast<int>(a.total_changes) == static_cast<int>(b.total_changes);
}

bool execute(sqlite3* db, const char* sql) { return sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK; }

// Looks through the connection object for the one place that follows the
// counters through several statements of different sizes.
std::optional<std::size_t> find_change_counters(sqlite3* db) {
  if (sqlite3_libversion_number() < kCountersAre64BitSince) return std::nullopt;
  const std::size_t size = sqlite3_msize(db);
  if (size < sizeof(ChangeCounters) || !execute(db, "CREATE TABLE counters(a)")) return std::nullopt;
  std::vector<std::size_t> candidates;
  for (std::size_t offset = 0; offset + sizeof(ChangeCounters) <= size; offset += alignof(std::int64_t)) {
    candidates.push_back(offset);
  }
  for (const char* statement : {"INSERT INTO counters VALUES(1),(2),(3)", "UPDATE counters SET a = a",
                                "INSERT INTO counters VALUES(4),(5),(6),(7),(8)", "DELETE FROM counters WHERE a < 8",
                                "INSERT INTO counters VALUES(9)", "UPDATE counters SET a = 0"}) {
    if (!execute(db, statement)) return std::nullopt;
    const ChangeCounters now = counters_of(db);
    std::erase_if(candidates, [&](std::size_t offset) {
      const ChangeCounters seen = read_counters(db, offset);
      return seen.changes != now.changes || seen.total_changes != now.total_changes;
    });
  }
  if (candidates.size() != 1) return std::nullopt;
  return candidates.front();
}

int probe_trace(unsigned, void*, void*, void*) { return 0; }

std::optional<SqliteHost::TraceOffsets> find_trace(sqlite3* db) {
  const std::size_t size = sqlite3_msize(db);
  const auto* const bytes = reinterpret_cast<const unsigned char*>(db);
  int argument = 0;
  const void* const wanted[2] = {reinterpret_cast<void*>(&probe_trace), &argument};
  std::vector<std::size_t> callbacks, masks;
  for (std::size_t offset = 0; offset < size; ++offset) masks.push_back(offset);
  for (const unsigned mask : {1u, 2u, 8u, 3u, 0u, 9u}) {
    sqlite3_trace_v2(db, mask, mask == 0 ? nullptr : probe_trace, &argument);
    std::erase_if(masks, [&](std::size_t offset) { return bytes[offset] != mask; });
  }
  for (std::size_t offset = 0; offset + sizeof wanted <= size; offset += alignof(void*)) {
    if (std::memcmp(bytes + offset, wanted, sizeof wanted) == 0) callbacks.push_back(offset);
  }
  sqlite3_trace_v2(db, 0, nullptr, nullptr);
  if (callbacks.size() != 1 || masks.size() != 1) return std::nullopt;
  return SqliteHost::TraceOffsets{callbacks.front(), masks.front()};
}

// The one place that changes with a setting, and how.
std::optional<std::pair<std::size_t, std::uint64_t>> find_config_bit(sqlite3* db, int setting) {
  const std::size_t size = sqlite3_msize(db);
  const auto* const bytes = reinterpret_cast<const unsigned char*>(db);
  const auto word = [&](std::size_t offset) {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes + offset, sizeof value);
    return value;
  };
  std::vector<std::uint64_t> before;
  int was = 0;
  sqlite3_db_config(db, setting, -1, &was);
  for (std::size_t at = 0; at + sizeof(std::uint64_t) <= size; at += sizeof(std::uint64_t)) before.push_back(word(at));
  sqlite3_db_config(db, setting, 1 - was, nullptr);
  std::optional<std::pair<std::size_t, std::uint64_t>> found;
  int changed = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const std::uint64_t difference = before[i] ^ word(i * sizeof(std::uint64_t));
    if (difference == 0) continue;
    ++changed;
    found = {i * sizeof(std::uint64_t), difference};
  }
  sqlite3_db_config(db, setting, was, nullptr);
  if (changed != 1) return std::nullopt;
  return found;
}

std::optional<SqliteHost::ConfigBits> find_config_bits(sqlite3* db) {
  const auto writable = find_config_bit(db, SQLITE_DBCONFIG_WRITABLE_SCHEMA);
  const auto defensive = find_config_bit(db, SQLITE_DBCONFIG_DEFENSIVE);
  if (!writable || !defensive || writable->first != defensive->first) return std::nullopt;
  return SqliteHost::ConfigBits{writable->first, writable->second, defensive->second};
}

struct OrderProbe {
  const SqliteHost* host;
  bool storage_order = false;
};

void probe_order(void* context, sqlite3* db, int, const char*, const char*, sqlite3_int64, sqlite3_int64) {
  auto* probe = static_cast<OrderProbe*>(context);
  sqlite3_value* value = nullptr;
  // Column 2 of (k, g virtual, b) is b = 7, unless storage order puts it at 1.
  probe->storage_order =
      probe->host->preupdate_new(db, 1, &value) == SQLITE_OK && value != nullptr && sqlite3_value_int(value) == 7;
}

bool has_storage_order(sqlite3* db, const SqliteHost& host) {
  OrderProbe probe{&host};
  if (!execute(db, "CREATE TABLE generated(k INTEGER PRIMARY KEY, g AS (1) VIRTUAL, b)")) return false;
  host.preupdate_hook(db, probe_order, &probe);
  execute(db, "INSERT INTO generated(k, b) VALUES(1, 7)");
  host.preupdate_hook(db, nullptr, nullptr);
  return probe.storage_order;
}

bool find_preupdate_functions(SqliteHost& host) {
#ifdef SQLITE_CORE
  host.preupdate_hook = &sqlite3_preupdate_hook;
  host.preupdate_old = &sqlite3_preupdate_old;
  host.preupdate_new = &sqlite3_preupdate_new;
  host.preupdate_blobwrite = &sqlite3_preupdate_blobwrite;
#else
  // The object that holds the function behind sqlite3_libversion() is the
  // host's SQLite: a shared library, or the program itself.
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(sqlite3_api->libversion), &info) == 0) return false;
  void* object = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  if (object == nullptr) object = dlopen(nullptr, RTLD_LAZY);
  if (object == nullptr) return false;
  const auto find = [object, base = info.dli_fbase](auto& function, const char* name) {
    void* const symbol = dlsym(object, name);
    Dl_info found;  // must be of that same library, not of another copy of SQLite
    if (symbol == nullptr || dladdr(symbol, &found) == 0 || found.dli_fbase != base) return;
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(symbol);
  };
  find(host.preupdate_hook, "sqlite3_preupdate_hook");
  find(host.preupdate_old, "sqlite3_preupdate_old");
  find(host.preupdate_new, "sqlite3_preupdate_new");
  find(host.preupdate_blobwrite, "sqlite3_preupdate_blobwrite");
#endif
  return host.preupdate_hook != nullptr && host.preupdate_old != nullptr && host.preupdate_new != nullptr;
}

thread_local bool examining = false;

std::optional<SqliteHost> examine() {
  SqliteHost host;
  if (!find_preupdate_functions(host)) return std::nullopt;
  sqlite3* const db = SqliteHost::open_scratch();
  if (db != nullptr) {
    host.change_counters_offset = find_change_counters(db);
    host.trace_offsets = find_trace(db);
    host.config_bits = find_config_bits(db);
    host.preupdate_in_storage_order = has_storage_order(db, host);
  }
  sqlite3_close(db);
  return host;
}

}  // namespace

const SqliteHost* SqliteHost::get() {
  static const std::optional<SqliteHost> host = examine();
  return host ? &*host : nullptr;
}

bool SqliteHost::being_examined() { return examining; }

sqlite3* SqliteHost::open_scratch() {
  const bool nested = std::exchange(examining, true);
  sqlite3* db = nullptr;
  const int rc = sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  examining = nested;
  if (rc == SQLITE_OK) return db;
  sqlite3_close(db);
  return nullptr;
}

std::optional<TraceCallback> TraceCallback::of(sqlite3* db, const SqliteHost& host) {
  if (!host.trace_offsets) return std::nullopt;
  const auto* const bytes = reinterpret_cast<const unsigned char*>(db);
  TraceCallback callback;
  std::memcpy(&callback.function, bytes + host.trace_offsets->callback, sizeof callback.function);
  std::memcpy(&callback.context, bytes + host.trace_offsets->callback + sizeof(void*), sizeof callback.context);
  callback.mask = bytes[host.trace_offsets->mask];
  return callback;
}

KeepCounters::KeepCounters(sqlite3* db, const SqliteHost& host)
    : db_(db), host_(host), rowid_(sqlite3_last_insert_rowid(db)), changes_(0), total_changes_(0) {
  if (host_.change_counters_offset) {
    const ChangeCounters counters = read_counters(db_, *host_.change_counters_offset);
    changes_ = counters.changes;
    total_changes_ = counters.total_changes;
  }
}

KeepCounters::~KeepCounters() {
  sqlite3_set_last_insert_rowid(db_, rowid_);
  if (!host_.change_counters_offset) return;
  // Written only if this connection too shows its counters at that place.
  if (!same(read_counters(db_, *host_.change_counters_offset), counters_of(db_))) return;
  const ChangeCounters before{changes_, total_changes_};
  std::memcpy(reinterpret_cast<char*>(db_) + *host_.change_counters_offset, &before, sizeof before);
}

SchemaIsWritable::SchemaIsWritable(sqlite3* db, const SqliteHost& host) {
  if (!host.config_bits) return;
  bits_ = reinterpret_cast<unsigned char*>(db) + host.config_bits->offset;
  std::memcpy(&before_, bits_, sizeof before_);
  const std::uint64_t now = (before_ | host.config_bits->writable_schema) & ~host.config_bits->defensive;
  std::memcpy(bits_, &now, sizeof now);
}

SchemaIsWritable::~SchemaIsWritable() {
  if (bits_ != nullptr) std::memcpy(bits_, &before_, sizeof before_);
}

}  // namespace colony
