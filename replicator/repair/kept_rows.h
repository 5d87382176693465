// Rows that are about to be replaced, in an SQLite file that any program can read: tables
// of the same names and columns, without types and constraints, so that every value stays
// what it is. To put some back: ATTACH it, and INSERT OR REPLACE ... SELECT.
//
// Threads: one. Errors: SqliteError, Error.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "replicator/store/replicated_schema.h"
#include "replicator/store/sqlite.h"

namespace colony {

class KeptRows {
 public:
  // `path` is an empty file.
  explicit KeptRows(const std::string& path);

  void add(const ReplicatedTable& table, const std::vector<Value>& row);
  bool empty() const { return inserts_.empty(); }

  // Brings it to disk. Nothing can be added afterwards.
  void finish();

 private:
  Database db_;
  std::map<std::string, Statement> inserts_;  // by table
};

}  // namespace colony
