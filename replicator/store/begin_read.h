// How a read transaction begins on a connection: of the latest state, or of one that is captured
// (wal/own_transaction.h).
#pragma once

#include <functional>

#include "replicator/store/sqlite.h"

namespace colony {

// Empty: with the latest state.
using BeginRead = std::function<void(Database& reader)>;

inline void begin_read(Database& reader, const BeginRead& begin) {
  if (begin) return begin(reader);
  reader.execute("BEGIN");
  reader.query_integer("SELECT count(*) FROM (SELECT 1 FROM sqlite_schema LIMIT 1)");
}

// A read transaction that begins so.
class BegunRead {
 public:
  BegunRead(Database& db, const BeginRead& begin) : db_(db) { begin_read(db, begin); }
  ~BegunRead() {
    if (db_.in_transaction()) sqlite3_exec(db_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
  BegunRead(const BegunRead&) = delete;
  BegunRead& operator=(const BegunRead&) = delete;

 private:
  Database& db_;
};

}  // namespace colony
