// The net change of each row that a transaction touched: of several changes of
// one row in a row, the one that comes to the same.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sqlite_ext/changeset.h"

namespace colony {

class NetRows {
 public:
  // Takes the next change, in the order in which they happened. `values` are
  // those of a changeset's record: before (unless INSERT), then after (unless
  // DELETE); they and `layout` must outlive this object.
  void add(std::uint32_t table, const ChangesetTable& layout, Operation op, std::string_view values);

  // Appends the changeset. `layout_of` is called once for each table that has
  // changes left, in the order in which the tables were first touched.
  void write(std::string& out, const std::function<const ChangesetTable&(std::uint32_t)>& layout_of) const;

 private:
  struct Row {
    std::uint32_t table;
    std::uint32_t key_size;
    std::size_t key_at;  // in keys_
    std::uint64_t hash;
    bool gone = false;  // the changes came to nothing
    Operation op;
    std::string_view values;       // while the row was touched once
    std::optional<Change> merged;  // since it was touched again
  };

  Row& row_of(std::uint32_t table, const ChangesetTable& layout, Operation op, std::string_view values, bool& fresh);
  void grow();
  static void merge(Row& row, const ChangesetTable& layout, Operation op, std::string_view values);

  std::vector<Row> rows_;
  std::vector<std::uint32_t> slots_;  // open addressing: 0, or the index of a row plus 1
  std::string keys_;
};

}  // namespace colony
