// Where rows that were written under an older schema belong now: the columns that tables had
// before each change that moved them (sqlite_ext/layout_log.h), in the order of those changes.
//
// A function of the log, but for this node's own changes that the log does not have yet.
// Threads: none. Errors: SqliteError, ChangesetError for a history that cannot be read.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "replicator/store/sqlite.h"
#include "sqlite_ext/schema_change.h"

namespace colony {

class LayoutHistory {
 public:
  // All of it. A file of a former format has none.
  void load(Database& db);

  bool empty() const { return steps_.empty(); }
  std::size_t size() const { return steps_.size(); }

  // The columns of a table before the change number `from` and after all earlier ones; null if
  // no later change was one of that table, so that they are what they are now.
  const std::vector<std::string>* columns_before(std::size_t from, const std::string& table) const;

  // The changes themselves, in their order.
  const SchemaChange& change(std::size_t number) const { return steps_[number].change; }

  // What rows that were there got, encoded, in columns that tables got when they were made
  // anew: by the present names of tables and columns, as folded_name() has them.
  using Fills = std::map<std::string, std::map<std::string, std::string>>;
  Fills fills() const;

  struct Place {
    std::string table;               // empty: it was dropped
    std::vector<std::string> names;  // of the same columns, now; some may be gone
  };
  // What has become, from the change number `from` on, of a table and some columns of it.
  Place follow(std::size_t from, std::string table, std::vector<std::string> names) const;

 private:
  struct Step {
    std::vector<std::string> columns;
    SchemaChange change;
  };
  std::vector<Step> steps_;
};

}  // namespace colony
