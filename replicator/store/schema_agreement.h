// Whether the replicated tables are still those on which the nodes of a colony agree: with
// the definitions that `colony init` has kept (table_definition.h), and with their guards.
// In wal mode there are none: a table that was made anew with the same definition is none
// that has changed, and a renamed one is gone. There each change is one that is yet to be
// captured, or that could not be. A file whose tables are not must not be folded into: its rows would come to differ
// from the others', or do so already.
//
// Reads the file as the connection sees it, in an open transaction or in one of its own, in
// a time that is proportional to the number of tables.
// Threads: the connection's. Errors: SqliteError, RecordError.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "replicator/store/sqlite.h"

namespace colony {

struct ChangedTable {
  std::string table;
  // "is gone", "has changed: column c is gone, UNIQUE(a) is new": what follows its name.
  std::string what;
  std::string renamed_to = {};  // if it took its guards along to another name
};

struct SchemaFindings {
  std::vector<ChangedTable> broken;   // nodes that have this change and nodes that do not would differ
  std::vector<std::string> extended;  // tables that have got more columns, in their guards or not, and nothing else

  bool empty() const { return broken.empty() && extended.empty(); }
};

SchemaFindings find_schema_changes(Database& db);

// The replicated tables that are no longer there, and their new names; empty where they
// were dropped. Of a file of any format.
std::map<std::string, std::string> gone_tables(Database& db);

// What an operator reads where such a file is not worked with; `broken` is not empty.
std::string advice_on(const std::vector<ChangedTable>& broken);

// Keeps the new definitions of these tables as agreed, and makes their guards cover the
// new columns. In the caller's write transaction.
void agree_on_extensions(Database& db, const std::vector<std::string>& tables);

// Whether nothing is broken, looked at again only when the schema has changed.
class SchemaWatch {
 public:
  explicit SchemaWatch(Database& db) : db_(db) {}

  bool is_agreed();

 private:
  Database& db_;
  std::int64_t looked_at_ = -1;
  bool agreed_ = false;
};

}  // namespace colony
