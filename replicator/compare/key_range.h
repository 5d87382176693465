// A range of a table's rows by their primary key, the same rows on every node: those
// after `low` and not after `high`, in the order of the key's values and collations.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "replicator/store/replicated_schema.h"
#include "replicator/store/sqlite.h"

namespace colony {

class KeyRange {
 public:
  KeyRange() = default;  // all rows

  // The bounds as in CheckRange; they are copied. Nothing if they are no keys of that
  // table, or the key has a collation that this program does not know.
  static std::optional<KeyRange> of(const ReplicatedTable& table, const std::string& low, const std::string& high);

  bool is_whole() const { return low_.empty() && high_.empty(); }

  // ` WHERE ...` over the table's columns, or nothing; its parameters are bind()'s, and
  // count from 1.
  std::string where(const ReplicatedTable& table) const;
  // The condition over a key that is bound by bind_key() before.
  std::string test(const ReplicatedTable& table) const;
  // The bounds as the parameters from `first` on. The statement must not outlive this.
  void bind(Statement& statement, int first) const;

 private:
  std::string condition(const std::vector<std::string>& key, int first, bool also_of_first) const;

  std::string low_, high_;
};

// The columns of the key in its order, into ReplicatedTable::columns.
std::vector<std::size_t> key_columns(const ReplicatedTable& table);

// `"a" COLLATE NOCASE` for each column of the key, in its order.
std::vector<std::string> key_terms(const ReplicatedTable& table);

// Binds the key of `row` as the parameters from 1 on; gives the next one's number.
int bind_key(Statement& statement, const ReplicatedTable& table, const std::vector<Value>& row);

}  // namespace colony
