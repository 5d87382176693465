// The statements with which the fold changes one table, prepared when they are needed. A
// changeset may speak of fewer columns than the table has now (it was written before ALTER
// TABLE ADD COLUMN): the statements then speak of those only, and a new row gets in the
// others what every node gives it (ReplicatedTable::without_value).
//
// There may be as many UPDATEs as there are sets of columns: the last kUpdatesMax are kept,
// and all statements of the connection within the bound of their StatementCache.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "replicator/store/replicated_schema.h"
#include "replicator/store/statement_cache.h"
#include "sqlite_ext/changeset.h"

namespace colony {

class TableStatements {
 public:
  static constexpr std::size_t kUpdatesMax = 64;

  // `cache` and `table` must outlive it.
  TableStatements(StatementCache& cache, const ReplicatedTable& table, std::size_t columns);
  // For one table alone, with a cache of its own.
  TableStatements(Database& db, const ReplicatedTable& table, std::size_t columns);

  const ReplicatedTable& table() const { return table_; }
  std::size_t columns() const { return columns_; }
  std::uint64_t shape() const { return shape_; }

  // Each runs one statement and gives SQLITE_DONE, or the extended result code
  // of a violated constraint.
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
  TableStatements(std::unique_ptr<StatementCache> own, StatementCache* cache, const ReplicatedTable& table,
                  std::size_t columns);

  enum class Verb : char { kUpdate = 'u', kUpdateExact = 'x' };
  struct Update {
    std::string shape;  // the verb and which columns change
    StatementCache::Place place;
  };

  std::string insert_sql(const char* verb) const;
  std::string update_sql(Verb verb, const std::vector<Value>& values) const;
  std::string delete_exact_sql() const;
  std::string select_sql() const;
  Statement& update_statement(Verb verb, const std::vector<Value>& values);
  std::string key_condition(int first_parameter) const;
  int bind_key(Statement& statement, int index, const std::vector<Value>& values) const;
  int put_in(Statement& statement, const std::vector<Value>& row);
  int execute(Statement& statement);

  std::unique_ptr<StatementCache> own_cache_;
  StatementCache& cache_;
  const ReplicatedTable& table_;
  std::size_t columns_;
  std::uint64_t shape_;
  StatementCache::Place insert_, insert_or_replace_, delete_exact_, erase_, select_;
  std::list<Update> updates_;  // the one used last comes first
  std::string wanted_shape_;
};

}  // namespace colony
