#include "replicator/wal/btree_page.h"

#include <gtest/gtest.h>

namespace colony::unit {
namespace {

using namespace std::string_literals;

struct Varint {
  bool is_whole;
  std::uint64_t value;
  std::size_t left;
  bool operator==(const Varint&) const = default;
};

Varint taken(std::string_view bytes) {
  Varint varint{};
  varint.is_whole = take_sqlite_varint(bytes, varint.value);
  varint.left = bytes.size();
  return varint;
}

TEST(SqliteVarint, is_read_at_its_edges) {
  EXPECT_EQ(taken("\x00"s), (Varint{true, 0, 0}));
  EXPECT_EQ(taken("\x7f"s), (Varint{true, 127, 0}));
  EXPECT_EQ(taken("\x81\x00"s), (Varint{true, 128, 0}));
  EXPECT_EQ(taken("\xff\x7f!"s), (Varint{true, 16383, 1}));
  EXPECT_EQ(taken("\x81\x80\x00"s), (Varint{true, 16384, 0}));
  EXPECT_EQ(taken("\xff\xff\xff\xff\xff\xff\xff\x7f"s), (Varint{true, (std::uint64_t{1} << 56) - 1, 0}));
}

TEST(SqliteVarint, of_nine_bytes_has_all_bits_of_the_last) {
  EXPECT_EQ(taken(std::string(9, '\xff') + "rest"), (Varint{true, ~std::uint64_t{0}, 4}));
  EXPECT_EQ(taken("\x81\x80\x80\x80\x80\x80\x80\x80\x80"s), (Varint{true, (std::uint64_t{1} << 57) + 128, 0}));
  EXPECT_EQ(taken("\xc0\x80\x80\x80\x80\x80\x80\x80\x00"s), (Varint{true, std::uint64_t{1} << 63, 0}));
}

TEST(SqliteVarint, may_be_longer_than_it_must) { EXPECT_EQ(taken("\x80\x80\x05"s), (Varint{true, 5, 0})); }

TEST(SqliteVarint, that_ends_too_early_is_none) {
  EXPECT_FALSE(taken("").is_whole);
  EXPECT_FALSE(taken("\x80").is_whole);
  EXPECT_FALSE(taken(std::string(8, '\xff')).is_whole);
}

std::string database_header(unsigned page_bytes, unsigned reserved, unsigned encoding) {
  std::string header = "SQLite format 3\0"s + std::string(84, '\0');
  header[16] = static_cast<char>(page_bytes >> 8);
  header[17] = static_cast<char>(page_bytes & 0xff);
  header[20] = static_cast<char>(reserved);
  header[59] = static_cast<char>(encoding);
  return header;
}

TEST(PageFormat, is_that_of_the_header) {
  const auto format = page_format(database_header(4096, 12, 3));
  ASSERT_TRUE(format);
  EXPECT_EQ(format->page_bytes, 4096u);
  EXPECT_EQ(format->usable_bytes(), 4084u);
  EXPECT_EQ(format->overflow_content_bytes(), 4080u);
  EXPECT_EQ(format->encoding, PageFormat::Encoding::kUtf16Be);
}

TEST(PageFormat, has_a_one_for_65536) { EXPECT_EQ(page_format(database_header(1, 0, 1))->page_bytes, 65536u); }

TEST(PageFormat, of_an_empty_database_is_utf_8) {
  EXPECT_EQ(page_format(database_header(512, 32, 0))->encoding, PageFormat::Encoding::kUtf8);
}

TEST(PageFormat, refuses_what_sqlite_cannot_write) {
  EXPECT_FALSE(page_format(database_header(512, 33, 1))) << "fewer than 480 usable bytes";
  EXPECT_FALSE(page_format(database_header(256, 0, 1)));
  EXPECT_FALSE(page_format(database_header(1000, 0, 1)));
  EXPECT_FALSE(page_format(database_header(0, 0, 1)));
  EXPECT_FALSE(page_format(database_header(4096, 0, 4)));
  EXPECT_FALSE(page_format(database_header(4096, 0, 1).substr(0, 99)));
  EXPECT_FALSE(page_format(std::string(100, 'x')));
}

// A page of 512 bytes with these cells, at its end.
class PageBytes {
 public:
  PageBytes(char kind, const std::vector<std::string>& cells, std::size_t header_at = 0)
      : bytes_(512, '\0'), header_at_(header_at) {
    bytes_[header_at] = kind;
    bytes_[header_at + 4] = static_cast<char>(cells.size());
    std::size_t end = bytes_.size();
    for (std::size_t i = 0; i < cells.size(); ++i) {
      end -= cells[i].size();
      bytes_.replace(end, cells[i].size(), cells[i]);
      point(i, end);
    }
  }
  void point(std::size_t cell, std::size_t to) {
    const bool is_interior = bytes_[header_at_] < 8;
    const std::size_t at = header_at_ + (is_interior ? 12 : 8) + 2 * cell;
    bytes_[at] = static_cast<char>(to >> 8);
    bytes_[at + 1] = static_cast<char>(to & 0xff);
  }
  std::string& bytes() { return bytes_; }

 private:
  std::string bytes_;
  std::size_t header_at_;
};

constexpr PageFormat kFormat{512, 0};
const std::string kRow = "\x03\x05\x02\x01\x07"s;  // three bytes, rowid 5

TEST(BtreePage, gives_the_cells_of_a_tables_leaf) {
  PageBytes page(13, {kRow, "\x00\x81\x00"s});
  const auto read = BtreePage::read(page.bytes(), 2, kFormat);
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->is_table() && read->has_rows() && !read->is_interior());
  ASSERT_EQ(read->cells(), 2u);
  BtreeCell cell;
  ASSERT_TRUE(read->cell(0, cell));
  EXPECT_EQ(cell.rowid, 5);
  EXPECT_EQ(cell.local, "\x02\x01\x07"s);
  EXPECT_EQ(cell.content, kRow);
  EXPECT_EQ(cell.overflow, 0u);
  ASSERT_TRUE(read->cell(1, cell));
  EXPECT_EQ(cell.rowid, 128);
  EXPECT_EQ(cell.local, "");
  EXPECT_FALSE(read->cell(2, cell));
}

TEST(BtreePage, of_the_number_one_begins_behind_the_databases_header) {
  PageBytes page(13, {kRow}, 100);
  EXPECT_TRUE(BtreePage::read(page.bytes(), 1, kFormat));
  EXPECT_FALSE(BtreePage::read(page.bytes(), 2, kFormat));
}

TEST(BtreePage, of_an_index_has_rows_on_interior_pages) {
  PageBytes page(2, {"\x00\x00\x00\x09\x03\x02\x01\x07"s});
  page.bytes()[11] = 8;
  const auto read = BtreePage::read(page.bytes(), 2, kFormat);
  ASSERT_TRUE(read);
  BtreeCell cell;
  ASSERT_TRUE(read->cell(0, cell));
  EXPECT_EQ(cell.child, 9u);
  EXPECT_EQ(cell.local, "\x02\x01\x07"s);
  EXPECT_EQ(cell.content, "\x03\x02\x01\x07"s) << "the child is no part of the row";
  std::vector<PageNumber> children;
  ASSERT_TRUE(read->children(children));
  EXPECT_EQ(children, (std::vector<PageNumber>{9, 8}));
}

TEST(BtreePage, of_a_table_has_no_rows_on_interior_pages) {
  PageBytes page(5, {"\x00\x00\x00\x09\x05"s});
  const auto read = BtreePage::read(page.bytes(), 2, kFormat);
  ASSERT_TRUE(read);
  EXPECT_FALSE(read->has_rows());
  BtreeCell cell;
  ASSERT_TRUE(read->cell(0, cell));
  EXPECT_EQ(cell.rowid, 5);
  EXPECT_EQ(cell.child, 9u);
}

TEST(BtreePage, is_no_page_of_another_kind_or_size) {
  for (const int kind : {0, 1, 3, 4, 6, 9, 11, 14, 0x8d}) {
    PageBytes page(static_cast<char>(kind), {});
    EXPECT_FALSE(BtreePage::read(page.bytes(), 2, kFormat)) << kind;
  }
  PageBytes page(13, {});
  EXPECT_FALSE(BtreePage::read(page.bytes().substr(1), 2, kFormat));
}

TEST(BtreePage, with_more_cells_than_fit_is_none) {
  PageBytes page(13, {});
  page.bytes()[3] = 1;
  EXPECT_FALSE(BtreePage::read(page.bytes(), 2, kFormat));
}

TEST(BtreePage, gives_no_cell_that_does_not_lie_on_it) {
  BtreeCell cell;
  std::vector<PageNumber> children;
  for (const std::size_t at : {0u, 9u, 510u, 511u, 512u, 513u, 65535u}) {
    PageBytes leaf(13, {kRow});
    leaf.point(0, at);
    leaf.bytes().replace(508, 4, "\x03\x05\x02\x01"s);
    EXPECT_FALSE(BtreePage::read(leaf.bytes(), 2, kFormat)->cell(0, cell)) << at;
    PageBytes interior(5, {"\x00\x00\x00\x09\x05"s});
    interior.point(0, at);
    EXPECT_FALSE(BtreePage::read(interior.bytes(), 2, kFormat)->children(children)) << at;
  }
}

TEST(BtreePage, has_no_cells_in_its_reserved_bytes) {
  PageBytes page(13, {kRow});
  BtreeCell cell;
  EXPECT_FALSE(BtreePage::read(page.bytes(), 2, {512, 1})->cell(0, cell));
}

// 1.6 of the format: X = U - 35 in a table's leaf, ((U - 12) * 64 / 255) - 23 in an index.
TEST(BtreePage, keeps_as_much_of_a_record_as_the_format_says) {
  const auto local_bytes = [](char kind, unsigned payload) {
    std::string cell{static_cast<char>(0x80 | payload >> 7), static_cast<char>(payload & 0x7f)};
    if (kind == 13) cell += '\x01';
    cell += std::string(484, '\x01');
    PageBytes page(kind, {cell});
    BtreeCell read;
    EXPECT_TRUE(BtreePage::read(page.bytes(), 2, kFormat)->cell(0, read)) << payload;
    EXPECT_EQ(read.overflow != 0, read.local.size() < payload);
    return read.local.size();
  };
  EXPECT_EQ(local_bytes(13, 477), 477u);
  EXPECT_EQ(local_bytes(13, 478), 39u) << "39 + (478 - 39) % 508 is more than 477";
  EXPECT_EQ(local_bytes(13, 39 + 508 + 438), 477u);
  EXPECT_EQ(local_bytes(13, 39 + 508 + 439), 39u);
  EXPECT_EQ(local_bytes(13, 39 + 508), 39u);
  EXPECT_EQ(local_bytes(10, 102), 102u);
  EXPECT_EQ(local_bytes(10, 103), 39u);
  EXPECT_EQ(local_bytes(10, 39 + 508 + 63), 102u);
  EXPECT_EQ(local_bytes(10, 39 + 508 + 64), 39u);
}

TEST(BtreePage, gives_no_cell_that_overflows_to_no_page) {
  PageBytes page(13, {"\x83\x5e\x01"s + std::string(60, '\0')});
  BtreeCell cell;
  EXPECT_FALSE(BtreePage::read(page.bytes(), 2, kFormat)->cell(0, cell));
}

TEST(BtreePage, reads_a_payload_of_any_size) {
  PageBytes page(13, {std::string(9, '\xff') + "\x01"s + std::string(470, '\x01')});
  BtreeCell cell;
  ASSERT_TRUE(BtreePage::read(page.bytes(), 2, kFormat)->cell(0, cell));
  EXPECT_EQ(cell.payload_size, ~std::uint64_t{0});
  EXPECT_EQ(cell.overflow, 0x01010101u);
}

}  // namespace
}  // namespace colony::unit
