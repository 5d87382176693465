#include "replicator/wal/tree_rows.h"

#include <algorithm>

namespace colony {
namespace {

constexpr std::size_t kDepthMax = 64;

[[noreturn]] void fail(PageNumber page) {
  throw WalLost("page " + std::to_string(page) + " cannot be read as a part of a table: the database may be damaged");
}

PageImage image_of(PageVersions& pages, const WrittenPages* written, PageNumber page) {
  return written == nullptr ? pages.before(page) : pages.after(page, *written);
}

}  // namespace

StoredRow read_row(PageVersions& pages, const WrittenPages* written, const BtreeCell& cell, std::string& buffer) {
  constexpr std::uint64_t kRecordBytesMax = 0x7fffffff;  // of SQLite
  if (cell.overflow == 0) return {cell.rowid, cell.local};
  const std::uint64_t pages_max = written == nullptr ? pages.database_pages() : written->database_pages;
  const std::uint64_t bytes_max = pages_max * pages.format().page_bytes;
  if (cell.payload_size > std::min(kRecordBytesMax, bytes_max)) fail(cell.overflow);
  buffer.assign(cell.local);
  PageNumber page = cell.overflow;
  while (buffer.size() < cell.payload_size) {
    if (page == 0) fail(cell.overflow);
    const PageImage image = image_of(pages, written, page);
    const std::uint64_t rest = cell.payload_size - buffer.size();
    buffer.append(*image, 4, std::min<std::uint64_t>(rest, pages.format().overflow_content_bytes()));
    page = big_endian_32(image->data());
  }
  return {cell.rowid, buffer};
}

TreeRows::TreeRows(PageVersions& pages, const WrittenPages* written, PageNumber root)
    : pages_(pages), written_(written) {
  enter(root);
}

void TreeRows::enter(PageNumber number) {
  PageImage image = image_of(pages_, written_, number);
  const std::optional<BtreePage> page = BtreePage::read(*image, number, pages_.format());
  if (!page || path_.size() == kDepthMax) fail(number);
  path_.push_back({std::move(image), *page, 0, false, {}});
  if (!page->children(path_.back().children)) fail(number);
}

// An interior page has a child before each of its cells, and one after them.
bool TreeRows::next(StoredRow& row) {
  while (!path_.empty()) {
    Level& level = path_.back();
    if (level.page.is_interior() && !level.is_child_done) {
      level.is_child_done = true;
      enter(level.children[level.cell]);
      continue;
    }
    if (level.cell == level.page.cells()) {
      path_.pop_back();
      continue;
    }
    const std::size_t at = level.cell++;
    level.is_child_done = false;
    if (!level.page.has_rows()) continue;
    BtreeCell cell;
    if (!level.page.cell(at, cell)) fail(level.children.empty() ? 0 : level.children.front());
    row = read_row(pages_, written_, cell, buffer_);
    return true;
  }
  return false;
}

}  // namespace colony
