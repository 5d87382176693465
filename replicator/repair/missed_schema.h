// What programs have done to the schema of a file in wal mode since its mark, and the other
// nodes are to hear of: found by comparing with the schema that was noted with the mark
// (noted_schema.h). No statement tells what became of a table: it is guessed (table_fates.h).
//
// What belongs to the colony is decided as at a commit that is captured (schema_judge.h): the
// tables that are replicated, with what hangs on them; new tables, unless only chosen ones
// are; views; and that tables without a key are made and dropped.
//
// Threads: the connection's. Errors: SqliteError; Error for a change that cannot be told.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "replicator/store/sqlite.h"
#include "sqlite_ext/schema_difference.h"
#include "sqlite_ext/table_history.h"

namespace colony {

class MissedSchema {
 public:
  // As the connection sees the file.
  explicit MissedSchema(Database& db);

  // The new columns of remade tables are not told: see fill_new_columns(). None if nothing was
  // ever noted.
  SchemaChanges changes() const;

 private:
  bool is_wanted(const std::string& table) const;
  bool is_new(const std::string& table) const;
  bool is_shared_before(const std::string& table) const;
  bool is_shared_now(const std::string& table) const;
  template <class IsShared>
  SchemaObjects shared(const SchemaObjects& objects, IsShared&& is_shared) const;
  SchemaChanges dropped_strangers() const;

  SchemaObjects before_, now_;
  std::map<std::string, TableFate> fates_;
  std::map<std::string, std::string> former_names_;  // of the tables that stay, by their present ones
  std::set<std::string> replicated_, left_out_;
  bool knows_left_out_ = false;  // which tables stay out of it
  bool are_chosen_ = false;      // only those that were named, and new ones that fit a pattern
  std::vector<std::string> patterns_;
};

}  // namespace colony
