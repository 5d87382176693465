// One replicated table as two files have it, row by row: `mine` is here, `theirs` is
// what it is compared with. A row is found by its key, and compared byte by byte.
//
// Threads: those of the two connections, both of which it reads. compare() reads the other
// one on a thread of its own, which has ended when it returns. Errors: SqliteError.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "replicator/fold/table_statements.h"
#include "replicator/store/replicated_schema.h"

namespace colony {

class TablePair {
 public:
  // Compares the columns that `their_table` has. All must outlive it. Throws
  // SchemaMismatch if my table has others in their place, or another key.
  TablePair(StatementCache& mine, const ReplicatedTable& my_table, StatementCache& theirs,
            const ReplicatedTable& their_table);

  // Takes the key of each row that only one side has or that differs; `go_on` is asked
  // now and then, and may throw. Rows that have a NULL in their key are ignored. It reads both
  // sides twice at most, and looks up only rows in whose sums they differ (key_sums.h).
  using TakeKey = std::function<void(std::string_view key)>;
  void compare(const TakeKey& take, const std::function<void()>& go_on);

  // The key of a row, of which no other column need be defined.
  std::string key_of(const std::vector<Value>& row) const;

  // Looks up the rows of that key on both sides, as they are now.
  void look_up(std::string_view key);
  bool is_mine() const { return is_mine_; }
  bool is_theirs() const { return is_theirs_; }
  bool differs() const;
  // Good until the next look_up(), if there is such a row.
  const std::vector<Value>& my_row() const { return my_row_; }
  const std::vector<Value>& their_row() const { return their_row_; }

  // Whether my side has a row with the key of their row.
  bool is_their_key_taken() { return mine_.select(their_row_, my_row_, my_storage_); }
  void erase_mine() { mine_.erase(key_); }
  // Puts their row here. Throws if something is in its way.
  void put_theirs();

  // As the other file has it.
  const ReplicatedTable& table() const { return table_; }
  std::uint64_t shape() const { return theirs_.shape(); }
  // My rows that have a NULL in the key, as of the latest compare().
  std::uint64_t keyless() const { return keyless_; }

 private:
  void read_key(std::string_view key);

  Database& my_db_;
  Database& their_db_;
  const ReplicatedTable& table_;
  TableStatements mine_, theirs_;
  std::uint64_t keyless_ = 0;
  std::string key_storage_;
  std::vector<Value> key_, my_row_, their_row_;
  std::string my_storage_, their_storage_;
  bool is_mine_ = false, is_theirs_ = false;
};

}  // namespace colony
