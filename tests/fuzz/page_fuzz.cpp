// BtreePage: reads nothing beyond a page, and gives of a table's leaf the rows that SQLite gives
// of it, where that finds nothing wrong with the database.
#include <memory>
#include <string>

#include "replicator/wal/btree_page.h"
#include "replicator/wal/record.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/sqlite_image.h"

namespace colony::fuzz {
namespace {

constexpr std::uint32_t kPageSizes[] = {512, 1024, 2048, 4096};

bool lies_in(std::string_view part, std::string_view whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void try_page(std::string_view bytes, PageNumber number, const PageFormat& format) {
  // Of its own size on the heap, so that what lies beyond it is not ours.
  const std::unique_ptr<char[]> copy(new char[bytes.size()]);
  bytes.copy(copy.get(), bytes.size());
  const std::string_view own(copy.get(), bytes.size());
  const std::optional<BtreePage> page = BtreePage::read(own, number, format);
  if (!page) return;
  std::vector<PageNumber> children;
  const bool has_children = page->children(children);
  require(!has_children || children.size() == (page->is_interior() ? page->cells() + 1 : 0), "a child for each cell");
  BtreeCell cell;
  for (std::size_t i = 0; i < page->cells(); ++i) {
    if (!page->cell(i, cell)) continue;
    require(lies_in(cell.local, own) && lies_in(cell.content, own), "a cell lies on its page");
    require(cell.overflow != 0 || cell.local.size() == cell.payload_size, "what does not overflow is all there");
    require(!has_children || !page->is_interior() || cell.child == children[i],
            "the cell's child is one of the page's");
  }
  for (const std::size_t beyond : {page->cells(), page->cells() + 40000, ~std::size_t{0}}) {
    require(!page->cell(beyond, cell), "there are no more cells");
  }
}

const std::string& empty_image(std::size_t size) {
  static std::string images[std::size(kPageSizes)];
  std::string& image = images[size];
  if (image.empty()) {
    image = image_of("PRAGMA page_size = " + std::to_string(kPageSizes[size]) + "; CREATE TABLE t(a, b, c)");
  }
  return image;
}

void compare_rows(sqlite3_stmt* select, const BtreePage& page) {
  BtreeCell cell;
  std::vector<Value> values;
  for (std::size_t i = 0; i < page.cells(); ++i) {
    const int rc = sqlite3_step(select);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) return;  // its integrity check reads no records
    require(rc == SQLITE_ROW, "SQLite has as many rows");
    require(page.cell(i, cell) && cell.overflow == 0, "what SQLite finds well can be read");
    require(cell.rowid == sqlite3_column_int64(select, 0), "the rowids are the same");
    if (!read_record(cell.local, values)) continue;
    for (std::size_t k = 0; k < 3; ++k) {
      const Value theirs = value_of(sqlite3_column_value(select, static_cast<int>(k + 1)));
      require(identical(k < values.size() ? values[k] : Value::null(), theirs), "the values are the same");
    }
  }
  require(sqlite3_step(select) != SQLITE_ROW, "SQLite has no more rows");
}

void try_table(std::string_view bytes, std::size_t size) {
  std::string image = empty_image(size);
  image.replace(kPageSizes[size], kPageSizes[size], bytes);
  const MemoryImage db(image);
  sqlite3_stmt* const check = db.prepared("PRAGMA quick_check");
  const bool is_well = sqlite3_step(check) == SQLITE_ROW &&
                       std::string_view(reinterpret_cast<const char*>(sqlite3_column_text(check, 0))) == "ok";
  sqlite3_finalize(check);
  const std::optional<BtreePage> page = BtreePage::read(bytes, 2, *page_format(image));
  if (!is_well) return;
  require(page && page->kind() == BtreePage::Kind::kTableLeaf, "what SQLite finds well is a leaf");
  sqlite3_stmt* const select = db.prepared("SELECT rowid, a, b, c FROM t");
  compare_rows(select, *page);
  sqlite3_finalize(select);
}

}  // namespace
}  // namespace colony::fuzz

// The first two bytes choose the page's size, its number and the bytes that are reserved.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace colony::fuzz;
  if (size < 2) return 0;
  const std::size_t chosen = data[0] % std::size(kPageSizes);
  const colony::PageFormat format{kPageSizes[chosen], data[1] % 33u};
  std::string page(bytes_of(data + 2, size - 2).substr(0, kPageSizes[chosen]));
  page.resize(kPageSizes[chosen]);
  try_page(page, data[0] >= 128 ? 1 : 2, format);
  if (data[0] < 128 && format.reserved_bytes == 0) try_table(page, chosen);
  return 0;
}
