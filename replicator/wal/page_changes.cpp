#include "replicator/wal/page_changes.h"

#include <algorithm>

#include "replicator/wal/tree_rows.h"

namespace colony {
namespace {

constexpr int kDepthMax = 64;

[[noreturn]] void fail(PageNumber page) {
  throw WalLost("page " + std::to_string(page) + " cannot be read as a part of a table: the database may be damaged");
}

}  // namespace

// The cells of a page, and the image that they are views of.
struct PageChanges::Cells {
  PageImage image;
  std::vector<BtreeCell> cells;
  std::vector<PageNumber> children;
  bool is_table = false;

  Cells() = default;
  Cells(PageImage page, PageNumber number, const PageFormat& format) : image(std::move(page)) {
    const std::optional<BtreePage> read = BtreePage::read(*image, number, format);
    if (!read || !read->children(children)) fail(number);
    is_table = read->is_table();
    if (!read->has_rows()) return;
    cells.resize(read->cells());
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (!read->cell(i, cells[i])) fail(number);
    }
  }
};

PageChanges::PageChanges(PageVersions& pages, TreeMap& map, const WrittenPages& written, Wanted wanted)
    : pages_(pages), map_(map), written_(written), wanted_(std::move(wanted)) {
  find_tops();
  reach();
  find_gone();
  find_overflow();
  for (const auto& [page, place] : reached_) trees_.insert(place.tree);
  for (const auto& [page, frame] : written_.frames) {
    if (place_of(page).kind == TreeMap::Kind::kTree) trees_.insert(place_of(page).tree);
  }
  for (const auto& [page, tree] : gone_) trees_.insert(tree);
  for (const auto& [page, tree] : leaves_of_chains_) trees_.insert(tree);
}

TreeMap::Place PageChanges::place_of(PageNumber page) const {
  const TreeMap::Place place = map_.at(page);
  return wanted_ == nullptr || wanted_(place.tree) ? place : TreeMap::Place{};
}

// Where a written page that was in a tree hangs: below written pages, pages that were not, or
// an unwritten root.
void PageChanges::find_tops() {
  for (const auto& [page, frame] : written_.frames) {
    TreeMap::Place place = place_of(page);
    if (place.kind != TreeMap::Kind::kTree) continue;
    PageNumber top = page;
    int depth = 0;
    while (place.link != 0 && !written_.contains(place.link)) {
      top = place.link;
      place = place_of(top);
      if (place.kind != TreeMap::Kind::kTree || ++depth > kDepthMax) fail(page);
    }
    if (place.link == 0) {
      anchors_.push_back(page);
    } else if (top != page) {
      below_[top].push_back(page);
    }
  }
}

void PageChanges::reach() {
  for (const PageNumber page : anchors_) reach(page, place_of(page).tree, place_of(page).link, 0);
}

void PageChanges::reach(PageNumber page, TreeNumber tree, PageNumber above, int depth) {
  if (!reached_.emplace(page, Reached{tree, above}).second) return;
  const PageImage image = pages_.after(page, written_);
  const std::optional<BtreePage> read = BtreePage::read(*image, page, pages_.format());
  std::vector<PageNumber> children;
  if (!read || depth > kDepthMax || !read->children(children)) fail(page);
  for (const PageNumber child : children) {
    if (child > written_.database_pages) fail(page);
    named_.emplace(child, page);
    if (written_.contains(child)) {
      reach(child, tree, page, depth + 1);
    } else if (const auto below = below_.find(child); below != below_.end()) {
      for (const PageNumber written : below->second) reach(written, tree, place_of(written).link, depth + 1);
    }
  }
}

void PageChanges::find_gone() {
  std::vector<PageNumber> children;
  for (const auto& [page, frame] : written_.frames) {
    const TreeMap::Place place = place_of(page);
    if (place.kind != TreeMap::Kind::kTree) continue;
    const PageImage image = pages_.before(page);
    const std::optional<BtreePage> read = BtreePage::read(*image, page, pages_.format());
    if (!read || !read->children(children)) fail(page);
    for (const PageNumber child : children) add_gone(child, place.tree, 0);
  }
}

void PageChanges::add_gone(PageNumber page, TreeNumber tree, int depth) {
  if (written_.contains(page) || named_.contains(page)) return;
  if (depth > kDepthMax || !gone_.emplace(page, tree).second) fail(page);
  const PageImage image = pages_.before(page);
  const std::optional<BtreePage> read = BtreePage::read(*image, page, pages_.format());
  std::vector<PageNumber> children;
  if (!read || !read->children(children)) fail(page);
  for (const PageNumber child : children) add_gone(child, tree, depth + 1);
}

void PageChanges::find_overflow() {
  if (!map_.knows_overflow() && has_unexplained_overflow()) map_.find_overflow(pages_);
  if (!map_.knows_overflow()) return;
  for (const auto& [page, frame] : written_.frames) {
    const TreeMap::Place place = place_of(page);
    const bool is_first = place.kind == TreeMap::Kind::kFirstOverflow;
    if (reached_.contains(page) || (!is_first && place.kind != TreeMap::Kind::kMoreOverflow)) continue;
    const PageNumber first = is_first ? page : place.link;
    const TreeMap::Place chain = place_of(first);
    if (chain.kind != TreeMap::Kind::kFirstOverflow || !changed_chains_.insert(first).second) continue;
    const bool is_in_tree = place_of(chain.link).kind == TreeMap::Kind::kTree;
    if (is_in_tree && !gone_.contains(chain.link) && !written_.contains(chain.link)) {
      leaves_of_chains_.emplace_back(chain.link, place_of(chain.link).tree);
    }
  }
  std::sort(leaves_of_chains_.begin(), leaves_of_chains_.end());
  leaves_of_chains_.erase(std::unique(leaves_of_chains_.begin(), leaves_of_chains_.end()), leaves_of_chains_.end());
}

// Whether a page was written that may be an overflow page of a row that was there before.
bool PageChanges::has_unexplained_overflow() {
  std::unordered_set<PageNumber> pages = unexplained();
  if (!pages.empty()) explain_by_chains(pages);
  if (!pages.empty()) explain_by_free_pages(pages);
  return !pages.empty();
}

std::unordered_set<PageNumber> PageChanges::unexplained() {
  // From this size on the first byte of an overflow page may be that of a page of a tree.
  constexpr std::uint32_t kAmbiguousFromPages = 0x02000000;
  constexpr std::size_t kLargestRootAt = 52;
  const PageFormat& format = pages_.format();
  const bool has_pointer_maps = big_endian_32(pages_.after(1, written_)->data() + kLargestRootAt) != 0;
  const std::uint32_t per_map = format.usable_bytes() / 5 + 1;
  const PageNumber lock_page = 0x40000000 / format.page_bytes + 1;
  std::unordered_set<PageNumber> pages;
  for (const auto& [page, frame] : written_.frames) {
    if (page == 1 || reached_.contains(page) || place_of(page).kind == TreeMap::Kind::kTree) continue;
    const PageNumber map_page = page < 2 ? 0 : (page - 2) / per_map * per_map + 2;
    if (has_pointer_maps && (page == map_page || (map_page == lock_page && page == map_page + 1))) continue;
    const bool may_be_tree = BtreePage::read(*pages_.after(page, written_), page, format).has_value();
    if (!may_be_tree || written_.database_pages >= kAmbiguousFromPages) pages.insert(page);
  }
  return pages;
}

// Those of rows that are new, or of trees that are not watched.
void PageChanges::explain_by_chains(std::unordered_set<PageNumber>& pages) {
  std::unordered_set<PageNumber> known;  // chains of rows that there were before
  BtreeCell cell;
  const auto for_each_chain = [&](const PageImage& image, PageNumber page, const auto& visit) {
    const std::optional<BtreePage> read = BtreePage::read(*image, page, pages_.format());
    for (std::size_t i = 0; read && read->has_rows() && i < read->cells(); ++i) {
      if (read->cell(i, cell) && cell.overflow != 0) visit(cell.overflow);
    }
  };
  const auto note = [&](PageNumber first) { known.insert(first); };
  for (const auto& [page, frame] : written_.frames) {
    if (place_of(page).kind == TreeMap::Kind::kTree) for_each_chain(pages_.before(page), page, note);
  }
  for (const auto& [page, tree] : gone_) for_each_chain(pages_.before(page), page, note);
  for (const auto& [page, frame] : written_.frames) {
    const bool is_watched = reached_.contains(page);
    for_each_chain(pages_.after(page, written_), page, [&](PageNumber next) {
      if (is_watched && known.contains(next)) return;
      while (pages.erase(next) > 0) next = pages_.first_number(next, &written_);
    });
    if (pages.empty()) return;
  }
}

// 1.5 of the format.
void PageChanges::explain_by_free_pages(std::unordered_set<PageNumber>& pages) {
  constexpr std::size_t kFirstTrunkAt = 32;
  PageNumber trunk = big_endian_32(pages_.after(1, written_)->data() + kFirstTrunkAt);
  std::unordered_set<PageNumber> trunks;
  while (trunk != 0 && !pages.empty() && trunks.insert(trunk).second) {
    pages.erase(trunk);
    const PageImage image = pages_.after(trunk, written_);
    const std::size_t count = big_endian_32(image->data() + 4), fit = pages_.format().usable_bytes() / 4 - 2;
    for (std::size_t i = 0; i < std::min(count, fit); ++i) pages.erase(big_endian_32(image->data() + 8 + 4 * i));
    trunk = big_endian_32(image->data());
  }
}

void PageChanges::for_each(TreeNumber tree, const Visit& visit) {
  for (const auto& [page, frame] : written_.frames) {
    const TreeMap::Place place = place_of(page);
    const auto reached = reached_.find(page);
    const bool was = place.kind == TreeMap::Kind::kTree && place.tree == tree;
    const bool is = reached != reached_.end() && reached->second.tree == tree;
    if (was || is) compare(tree, page, was, is, visit);
  }
  for (const auto& [page, of] : gone_) {
    if (of == tree) compare(tree, page, true, false, visit);
  }
  for (const auto& [page, of] : leaves_of_chains_) {
    if (of == tree) compare(tree, page, true, true, visit);
  }
}

void PageChanges::compare(TreeNumber tree, PageNumber page, bool was, bool is, const Visit& visit) {
  const Cells before = was ? Cells(pages_.before(page), page, pages_.format()) : Cells();
  const Cells after = is ? Cells(pages_.after(page, written_), page, pages_.format()) : Cells();
  if ((was ? before : after).is_table) {
    compare_by_rowid(tree, before, after, visit);
  } else {
    compare_by_content(tree, before, after, visit);
  }
}

void PageChanges::compare_by_rowid(TreeNumber tree, const Cells& before, const Cells& after, const Visit& visit) {
  auto was = before.cells.begin();
  auto is = after.cells.begin();
  while (was != before.cells.end() || is != after.cells.end()) {
    const bool only_was = is == after.cells.end() || (was != before.cells.end() && was->rowid < is->rowid);
    const bool only_is = was == before.cells.end() || (is != after.cells.end() && is->rowid < was->rowid);
    if (only_was) {
      tell(tree, &*was++, nullptr, visit);
    } else if (only_is) {
      tell(tree, nullptr, &*is++, visit);
    } else {
      if (!(*was == *is && is_skipped(*was))) tell(tree, &*was, &*is, visit);
      ++was, ++is;
    }
  }
}

// The order of these keys is that of their collations, which only SQLite knows.
void PageChanges::compare_by_content(TreeNumber tree, const Cells& before, const Cells& after, const Visit& visit) {
  std::unordered_set<std::string_view> in_both;
  for (const BtreeCell& cell : before.cells) {
    if (is_skipped(cell)) in_both.insert(cell.content);
  }
  std::unordered_set<std::string_view> kept;
  for (const BtreeCell& cell : after.cells) {
    if (in_both.contains(cell.content)) kept.insert(cell.content);
  }
  for (const BtreeCell& cell : before.cells) {
    if (!kept.contains(cell.content)) tell(tree, &cell, nullptr, visit);
  }
  for (const BtreeCell& cell : after.cells) {
    if (!kept.contains(cell.content)) tell(tree, nullptr, &cell, visit);
  }
}

void PageChanges::tell(TreeNumber tree, const BtreeCell* before, const BtreeCell* after, const Visit& visit) {
  StoredRow was{}, is{};
  if (before != nullptr) was = read_row(pages_, nullptr, *before, before_buffer_);
  if (after != nullptr) is = read_row(pages_, &written_, *after, after_buffer_);
  visit(tree, before != nullptr ? &was : nullptr, after != nullptr ? &is : nullptr);
}

void PageChanges::settle() {
  for (const auto& [page, frame] : written_.frames) {
    if (map_.at(page).kind == TreeMap::Kind::kTree && !reached_.contains(page)) map_.set(page, {});
  }
  for (const auto& [page, tree] : gone_) map_.set(page, {});
  for (const auto& [child, above] : named_) {
    map_.set(child, {above, reached_.at(above).tree, TreeMap::Kind::kTree});
  }
  for (const auto& [page, place] : reached_) map_.set(page, {place.above, place.tree, TreeMap::Kind::kTree});
  if (!map_.knows_overflow()) return;
  for (const auto& [page, place] : reached_) {
    const Cells cells(pages_.after(page, written_), page, pages_.format());
    for (const BtreeCell& cell : cells.cells) {
      if (cell.overflow == 0) continue;
      const TreeMap::Place chain = map_.at(cell.overflow);
      const bool is_known = chain.kind == TreeMap::Kind::kFirstOverflow && !written_.contains(cell.overflow) &&
                            !changed_chains_.contains(cell.overflow);
      if (is_known) {
        map_.set(cell.overflow, {page, place.tree, TreeMap::Kind::kFirstOverflow});
      } else {
        map_.set_chain(pages_, &written_, page, place.tree, cell.overflow);
      }
    }
  }
  for (const auto& [page, tree] : leaves_of_chains_) {
    const Cells cells(pages_.after(page, written_), page, pages_.format());
    for (const BtreeCell& cell : cells.cells) {
      if (!is_skipped(cell)) map_.set_chain(pages_, &written_, page, tree, cell.overflow);
    }
  }
}

}  // namespace colony
