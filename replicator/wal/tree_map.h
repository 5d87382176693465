// Which page belongs to which of the b-trees that are watched: their interior pages and
// leaves with the page above each, and, once asked for, the overflow pages of their rows with
// the leaf that each hangs on.
//
// Eight bytes for each page of the database. Threads: none. Errors: those of PageVersions.
#pragma once

#include <cstdint>
#include <vector>

#include "replicator/wal/page_versions.h"

namespace colony {

using TreeNumber = std::uint16_t;  // from 1; 0: none

class TreeMap {
 public:
  enum class Kind : std::uint8_t {
    kNone,           // of no tree that is watched, as far as is known
    kTree,           // link: the page above; 0: it is the root
    kFirstOverflow,  // link: the page whose cell it belongs to
    kMoreOverflow,   // link: the first of its chain
  };
  struct Place {
    PageNumber link = 0;
    TreeNumber tree = 0;
    Kind kind = Kind::kNone;
  };

  // Of the state of `pages`. `roots` by the trees' numbers, minus 1.
  void build(PageVersions& pages, const std::vector<PageNumber>& roots);

  Place at(PageNumber page) const { return page < places_.size() ? places_[page] : Place{}; }
  void set(PageNumber page, const Place& place);

  // Whether overflow pages are known. Finding them reads all of the trees' leaves.
  bool knows_overflow() const { return knows_overflow_; }
  void find_overflow(PageVersions& pages);

  // The chain of a cell on `leaf` after `written`, or as it is before.
  void set_chain(PageVersions& pages, const WrittenPages* written, PageNumber leaf, TreeNumber tree, PageNumber first);

 private:
  template <class Visit>
  void for_each_below(PageVersions& pages, PageNumber page, PageNumber above, TreeNumber tree, int depth,
                      Visit&& visit);

  std::vector<Place> places_;
  bool knows_overflow_ = false;
};

}  // namespace colony
