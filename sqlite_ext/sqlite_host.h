// The SQLite library that owns a connection: what Colony needs of it beyond the
// ordinary interface.
//
// Built twice. In colony.so (no SQLITE_CORE) every call goes through the host's
// API table and the preupdate functions, which that table lacks, are looked up
// in the very object that holds the host's SQLite. In colony's own programs
// (SQLITE_CORE) everything is linked directly.
#pragma once

#ifndef SQLITE_ENABLE_PREUPDATE_HOOK
#define SQLITE_ENABLE_PREUPDATE_HOOK
#endif
#include <sqlite3ext.h>
#ifndef SQLITE_CORE
SQLITE_EXTENSION_INIT3
#endif

#include <cstddef>
#include <cstdint>
#include <optional>

namespace colony {

struct SqliteHost {
  using PreupdateCallback = void (*)(void*, sqlite3*, int, const char*, const char*, sqlite3_int64, sqlite3_int64);

  void* (*preupdate_hook)(sqlite3*, PreupdateCallback, void*) = nullptr;
  int (*preupdate_old)(sqlite3*, int, sqlite3_value**) = nullptr;
  int (*preupdate_new)(sqlite3*, int, sqlite3_value**) = nullptr;
  int (*preupdate_blobwrite)(sqlite3*) = nullptr;  // since 3.36

  // Libraries before 3.41 or so count a row's columns in the order in which they
  // are stored, virtual generated columns last, where later ones use the order
  // of the table's declaration. Found out by trying.
  bool preupdate_in_storage_order = false;

  // Where in `struct sqlite3` the counters behind changes() and
  // total_changes() stand, or nothing when that could not be told for certain.
  // See docs/decisions/0004-change-counters.md.
  std::optional<std::size_t> change_counters_offset;

  // Where in `struct sqlite3` the trace callback of sqlite3_trace_v2() and its argument
  // stand side by side, and the byte that says of what it is told. Nothing when that could
  // not be told for certain.
  struct TraceOffsets {
    std::size_t callback;
    std::size_t mask;
  };
  std::optional<TraceOffsets> trace_offsets;

  // Where in `struct sqlite3` the bits stand that sqlite3_db_config() sets. Nothing when that
  // could not be told for certain.
  struct ConfigBits {
    std::size_t offset;
    std::uint64_t writable_schema, defensive;
  };
  std::optional<ConfigBits> config_bits;

  // The host of this process, examined once; null if its SQLite was built
  // without the preupdate hook.
  static const SqliteHost* get();

  // True on the thread that opens a scratch database just now: an extension that loads itself into every connection
  // must let that one be.
  static bool being_examined();

  // A new database in memory, with nothing of Colony's. Null if there is no memory.
  static sqlite3* open_scratch();
};

// A trace callback as sqlite3_trace_v2() takes it.
struct TraceCallback {
  using Function = int (*)(unsigned event, void* context, void* p, void* x);

  Function function = nullptr;
  void* context = nullptr;
  unsigned mask = 0;

  // The one that a connection has now; nothing if the host does not show it.
  static std::optional<TraceCallback> of(sqlite3* db, const SqliteHost& host);
};

// Keeps last_insert_rowid(), changes() and total_changes() of a connection as
// they were when it was made, whatever is executed before it is destroyed.
class KeepCounters {
 public:
  KeepCounters(sqlite3* db, const SqliteHost& host);
  ~KeepCounters();
  KeepCounters(const KeepCounters&) = delete;
  KeepCounters& operator=(const KeepCounters&) = delete;

 private:
  sqlite3* db_;
  const SqliteHost& host_;
  sqlite3_int64 rowid_;
  std::int64_t changes_;
  std::int64_t total_changes_;
};

// While one lives, the connection may write sqlite_schema. SQLite's own way to allow that ends
// the statements that run; this one does not. False if the host does not show how.
class SchemaIsWritable {
 public:
  SchemaIsWritable(sqlite3* db, const SqliteHost& host);
  ~SchemaIsWritable();
  SchemaIsWritable(const SchemaIsWritable&) = delete;
  SchemaIsWritable& operator=(const SchemaIsWritable&) = delete;

  explicit operator bool() const { return bits_ != nullptr; }

 private:
  unsigned char* bits_ = nullptr;
  std::uint64_t before_ = 0;
};

}  // namespace colony
