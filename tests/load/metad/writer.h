// What metad writes. A Writer is the one connection of the process that writes; it
// has loaded colony.so, so that each of its commits is captured.
//
// Many writes share a transaction (see WriteQueue): begin(), apply() for each,
// commit(). A write that is refused (a condition that does not hold, a constraint)
// leaves the others alone.
//
// Threads: one. Throws SqliteError where the whole transaction is lost; the constructor
// throws std::runtime_error with a line for people if it cannot write this file.
#pragma once

#include <string>

#include "tests/load/metad/database.h"
#include "tests/load/metad/messages.h"

namespace metad {

struct WriterSettings {
  std::string path;
  std::string extension;  // of a colony's file in session mode; empty for others
  bool sync_each_commit = false;
  int lock_wait_ms = 5000;
};

class Writer {
 public:
  explicit Writer(const WriterSettings& settings);

  void begin() { begin_.run(); }
  Response apply(const Write& write);
  void commit() { commit_.run(); }
  // After any failure; harmless when nothing is open.
  void rollback() noexcept;

  // Deletes up to `limit` rows that expired `grace_seconds` ago or earlier, in a
  // transaction of its own. Gives how many there were.
  int delete_expired(std::int64_t grace_seconds, int limit);

 private:
  Response put(const PutValue& write);
  Response put(const DeleteValue& write);
  Response put(const PutObject& write);
  Response put(const DeleteObject& write);
  Response put(const PutPlacement& write);
  Response put(const DeletePlacement& write);
  // What keeps a conditional write from being done, if anything does.
  std::optional<Response> objection(std::string_view space, std::string_view key, const Condition& condition);

  Database db_;
  Statement begin_, commit_, savepoint_, release_, rollback_to_;
  Statement get_value_, put_value_, delete_value_, put_object_, delete_object_, put_placement_, delete_placement_,
      expire_;
};

}  // namespace metad
