// The net change of each row that a transaction touched: of several changes of
// one row in a row, the one that comes to the same.
//
// What it remembers of a row is where its changes stand in the log, so memory
// grows by some fifty bytes for each row, however wide.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sqlite_ext/change_log.h"
#include "sqlite_ext/changeset.h"

namespace colony {

class NetRows {
 public:
  using LayoutOf = std::function<const ChangesetTable&(std::uint32_t table)>;

  // A table whose columns changed while its rows were recorded has several numbers, one
  // for each layout. All its changes come under the present one, whose columns begin with
  // those of the others, or the other way round.
  struct Tables {
    LayoutOf layout_of;
    std::function<std::uint32_t(std::uint32_t table)> present_of;  // kLeftOut: not in the changeset
    // What rows held in a column of the present layout before they had it.
    std::function<Value(std::uint32_t present, std::size_t column)> value_before;
  };
  static constexpr std::uint32_t kLeftOut = ~0u;

  // The log must outlive this object, and not change. Throws ChangesetError when
  // it has changes of one row that cannot follow one another.
  NetRows(const ChangeLog& log, Tables tables);
  NetRows(const ChangeLog& log, LayoutOf layout_of);

  // The tables that have changes left, by their present numbers, in the order in which
  // these rows were first touched: that of the changeset.
  const std::vector<std::uint32_t>& tables() const { return tables_; }

  // Writes the changeset. `drain` takes what there is of it, and leaves nothing,
  // now and then and at the end.
  void write(const std::function<void(std::string& bytes)>& drain) const;

 private:
  struct Row {
    std::uint64_t at;  // its first change
    std::uint32_t hash;
    std::uint32_t table;             // its present number
    std::uint32_t first_repeat = 0;  // into repeats_, plus 1; 0: none
    std::uint32_t last_repeat = 0;
    Operation op;         // the net one
    bool gone = false;    // the changes came to nothing
    bool recast = false;  // its first change has another layout
  };
  struct Repeat {
    std::uint64_t at;
    std::uint32_t next;
  };

  void add(std::size_t at, const ChangeLog::Record& record);
  void grow();
  bool same_key(const Row& row, const ChangeLog::Record& record) const;
  bool decode(const ChangeLog::Record& record, std::uint32_t present, Change& change) const;
  bool merge(const Row& row, Change& net) const;
  void settle_repeated();
  void put_in_order();

  const ChangeLog& log_;
  Tables of_;
  std::vector<Row> rows_;
  std::vector<std::uint32_t> slots_;  // open addressing: 0, or the index of a row plus 1
  std::vector<Repeat> repeats_;
  std::vector<std::uint32_t> tables_;
  std::vector<std::uint32_t> order_;  // of the rows in the changeset
};

}  // namespace colony
