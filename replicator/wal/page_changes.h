// The rows that one transaction has changed, told from the pages that it has written.
//
// A row that differs stands before on a page that was written, or on one that the written
// pages above no longer lead to; and after on a page that was written. So the cells of these
// pages, before and after, have all that differs. Rows that only went to another page occur as
// removed and as added, equal in both. An overflow page can be written alone: then the rows of
// its chain count as changed.
//
// Threads: one. Errors: those of PageVersions; WalLost for pages that do not fit together.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "replicator/wal/stored_row.h"
#include "replicator/wal/tree_map.h"

namespace colony {

class PageChanges {
 public:
  // Both pointers for a row of one rowid; one of them is null if it was added or removed.
  // Good until the next.
  using Visit = std::function<void(TreeNumber tree, const StoredRow* before, const StoredRow* after)>;

  // Which trees to look at; of a transaction that changes the schema, only those that there are
  // still, at the same root.
  using Wanted = std::function<bool(TreeNumber tree)>;

  // All must outlive it. Nothing of `map` or `pages` is changed until settle(), which only who looks
  // at all trees may call.
  PageChanges(PageVersions& pages, TreeMap& map, const WrittenPages& written, Wanted wanted = nullptr);

  // Whether a page of this tree was written, or none leads to it any more.
  bool concerns(TreeNumber tree) const { return trees_.contains(tree); }

  // The rows of `tree`.
  void for_each(TreeNumber tree, const Visit& visit);

  // The map becomes that of the state after; the caller advances `pages`.
  void settle();

 private:
  struct Reached {
    TreeNumber tree;
    PageNumber above;
  };

  // Where a page stood before, if its tree is looked at.
  TreeMap::Place place_of(PageNumber page) const;
  void find_tops();
  void reach();
  void reach(PageNumber page, TreeNumber tree, PageNumber above, int depth);
  void find_gone();
  void add_gone(PageNumber page, TreeNumber tree, int depth);
  void find_overflow();
  bool has_unexplained_overflow();
  std::unordered_set<PageNumber> unexplained();
  void explain_by_free_pages(std::unordered_set<PageNumber>& pages);
  void explain_by_chains(std::unordered_set<PageNumber>& pages);
  bool is_skipped(const BtreeCell& cell) const {
    return cell.overflow == 0 || !changed_chains_.contains(cell.overflow);
  }

  struct Cells;
  void compare(TreeNumber tree, PageNumber page, bool was, bool is, const Visit& visit);
  void compare_by_rowid(TreeNumber tree, const Cells& before, const Cells& after, const Visit& visit);
  void compare_by_content(TreeNumber tree, const Cells& before, const Cells& after, const Visit& visit);
  void tell(TreeNumber tree, const BtreeCell* before, const BtreeCell* after, const Visit& visit);

  PageVersions& pages_;
  TreeMap& map_;
  const WrittenPages& written_;
  const Wanted wanted_;
  std::unordered_set<TreeNumber> trees_;
  std::unordered_map<PageNumber, Reached> reached_;   // written pages that are in a tree after
  std::unordered_map<PageNumber, PageNumber> named_;  // pages that written ones lead to, and these
  // Written pages below pages that were not written, by the topmost of these; and those of which
  // nothing above was written.
  std::unordered_map<PageNumber, std::vector<PageNumber>> below_;
  std::vector<PageNumber> anchors_;
  std::unordered_map<PageNumber, TreeNumber> gone_;                  // pages that were not written
  std::unordered_set<PageNumber> changed_chains_;                    // by their first page
  std::vector<std::pair<PageNumber, TreeNumber>> leaves_of_chains_;  // that were not written
  std::string before_buffer_, after_buffer_;
};

}  // namespace colony
