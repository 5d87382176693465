#include "replicator/wal/tree_map.h"

namespace colony {
namespace {

constexpr int kDepthMax = 64;

[[noreturn]] void fail(PageNumber page) {
  throw WalLost("page " + std::to_string(page) + " is not what the pages above it say: the database may be damaged");
}

}  // namespace

void TreeMap::set(PageNumber page, const Place& place) {
  if (page >= places_.size()) {
    if (place.kind == Kind::kNone) return;
    places_.resize(page + std::size_t{1});
  }
  places_[page] = place;
}

// Only interior pages are read: what they name is known without.
template <class Visit>
void TreeMap::for_each_below(PageVersions& pages, PageNumber page, PageNumber above, TreeNumber tree, int depth,
                             Visit&& visit) {
  visit(page, above);
  if (depth > kDepthMax) fail(page);
  const PageImage image = pages.before(page);
  const std::optional<BtreePage> read = BtreePage::read(*image, page, pages.format());
  std::vector<PageNumber> children;
  if (!read || !read->children(children)) fail(page);
  if (children.empty()) return;
  const PageImage first = pages.before(children.front());
  const std::optional<BtreePage> below = BtreePage::read(*first, children.front(), pages.format());
  if (!below) fail(children.front());
  for (const PageNumber child : children) {
    // All leaves of a tree are equally deep.
    if (below->is_interior()) {
      for_each_below(pages, child, page, tree, depth + 1, visit);
    } else {
      visit(child, page);
    }
  }
}

void TreeMap::build(PageVersions& pages, const std::vector<PageNumber>& roots) {
  places_.clear();
  knows_overflow_ = false;
  for (std::size_t i = 0; i < roots.size(); ++i) {
    const auto tree = static_cast<TreeNumber>(i + 1);
    if (roots[i] == 0) continue;
    for_each_below(pages, roots[i], 0, tree, 0, [&](PageNumber page, PageNumber above) {
      if (page > pages.database_pages() || at(page).kind == Kind::kTree) fail(page);
      set(page, {above, tree, Kind::kTree});
    });
  }
}

void TreeMap::find_overflow(PageVersions& pages) {
  BtreeCell cell;
  // What is found is entered behind what is looked at, or overwrites what is none.
  const std::size_t count = places_.size();
  for (PageNumber page = 1; page < count; ++page) {
    const Place place = places_[page];
    if (place.kind != Kind::kTree) continue;
    const PageImage image = pages.before(page);
    const std::optional<BtreePage> read = BtreePage::read(*image, page, pages.format());
    if (!read) fail(page);
    for (std::size_t i = 0; read->has_rows() && i < read->cells(); ++i) {
      if (!read->cell(i, cell)) fail(page);
      if (cell.overflow != 0) set_chain(pages, nullptr, page, place.tree, cell.overflow);
    }
  }
  knows_overflow_ = true;
}

void TreeMap::set_chain(PageVersions& pages, const WrittenPages* written, PageNumber leaf, TreeNumber tree,
                        PageNumber first) {
  const PageNumber last = written == nullptr ? pages.database_pages() : written->database_pages;
  PageNumber page = first;
  for (PageNumber length = 0; page != 0; ++length) {
    if (length >= last || page > last) fail(first);
    set(page, page == first ? Place{leaf, tree, Kind::kFirstOverflow} : Place{first, tree, Kind::kMoreOverflow});
    page = pages.first_number(page, written);
  }
}

}  // namespace colony
