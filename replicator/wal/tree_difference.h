// The rows in which two b-trees of one table differ that has moved from one to the other.
//
// Both are read once, side by side. Memory grows with the rows that differ, not with those that
// are equal. Threads: one. Errors: those of TreeRows.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>

#include "replicator/wal/tree_rows.h"

namespace colony {

class TreeDifference {
 public:
  // The tree at `root_before` as it is before `written`, and that at `root_after` after it. Whether
  // rows with other rowids are others.
  TreeDifference(PageVersions& pages, PageNumber root_before, const WrittenPages& written, PageNumber root_after,
                 bool by_rowid);

  using Visit = std::function<void(const StoredRow& row)>;
  void for_each_gone(const Visit& visit) const { for_each(gone_, visit); }
  void for_each_new(const Visit& visit) const { for_each(new_, visit); }

 private:
  // By rowid, if it counts, and record; how often.
  using Rows = std::unordered_map<std::string, int>;

  void take(const StoredRow& row, Rows& rows, Rows& others);
  static void for_each(const Rows& rows, const Visit& visit);

  const bool by_rowid_;
  Rows gone_, new_;
};

}  // namespace colony
