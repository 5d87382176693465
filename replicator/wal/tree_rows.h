// All rows of a b-tree in their order, as it is before a transaction or after it.
//
// Threads: one. Errors: those of PageVersions; WalLost for pages that are no tree.
#pragma once

#include <string>
#include <vector>

#include "replicator/wal/page_versions.h"
#include "replicator/wal/stored_row.h"

namespace colony {

// What of a record stands on overflow pages is read, and put into `buffer` with the rest. `written`:
// after that; null: before.
StoredRow read_row(PageVersions& pages, const WrittenPages* written, const BtreeCell& cell, std::string& buffer);

class TreeRows {
 public:
  // All must outlive it. `written`: as it is after that; null: before.
  TreeRows(PageVersions& pages, const WrittenPages* written, PageNumber root);

  // False at the end. The row is good until the next call.
  bool next(StoredRow& row);

 private:
  struct Level {
    PageImage image;
    BtreePage page;
    std::size_t cell = 0;        // the next one
    bool is_child_done = false;  // the one before it, on an interior page
    std::vector<PageNumber> children;
  };

  void enter(PageNumber page);

  PageVersions& pages_;
  const WrittenPages* const written_;
  std::vector<Level> path_;
  std::string buffer_;
};

}  // namespace colony
