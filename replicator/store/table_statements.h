// The prepared statements with which the fold changes one table. A changeset
// may speak of fewer columns than the table has now (it was written before ALTER
// TABLE ADD COLUMN): the statements then speak of those only.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "replicator/store/replicated_schema.h"
#include "replicator/store/sqlite.h"
#include "sqlite_ext/changeset.h"

namespace colony {

class TableStatements {
 public:
  TableStatements(Database& db, const ReplicatedTable& table, std::size_t columns);

  const ReplicatedTable& table() const { return table_; }
  std::size_t columns() const { return columns_; }
  std::uint64_t shape() const { return shape_; }

  // Each runs one statement and gives SQLITE_DONE, or the extended result code
  // of a violated constraint; `changes` says how many rows it changed.
  int insert(const std::vector<Value>& row);
  int insert_or_replace(const std::vector<Value>& row);
  // Only if the row has the values of `change.before`; false in `matched` if not.
  int update_exact(const Change& change, bool& matched);
  int delete_exact(const Change& change, bool& matched);
  // Whatever else the row with that key holds. `values` undefined: not changed.
  int update(const std::vector<Value>& key, const std::vector<Value>& values);
  int erase(const std::vector<Value>& key);

  // The row with that key into `row`, copied into `storage`; false if none.
  bool select(const std::vector<Value>& key, std::vector<Value>& row, std::string& storage);

 private:
  enum class Verb : char { kUpdate = 'u', kUpdateExact = 'x' };

  Statement& update_statement(Verb verb, const std::vector<Value>& values);
  std::string key_condition(int first_parameter) const;
  int bind_key(Statement& statement, int index, const std::vector<Value>& values) const;
  int execute(Statement& statement);

  Database& db_;
  const ReplicatedTable& table_;
  std::size_t columns_;
  std::uint64_t shape_;
  Statement insert_, insert_or_replace_, delete_exact_, erase_, select_;
  std::map<std::string, Statement> updates_;  // by verb and which columns change
};

}  // namespace colony
