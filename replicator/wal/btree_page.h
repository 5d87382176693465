// One page of a b-tree, as SQLite keeps tables and indexes in: its cells, and its children.
// Bytes that cannot be such a page are told as that, never read beyond.
//
// The format is SQLite's (sqlite.org/fileformat2.html, 1.6).
// Threads: none. A page is a view of bytes that must outlive it; so are its cells.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace colony {

using PageNumber = std::uint32_t;  // from 1; 0: none

// What all pages of a file have in common.
struct PageFormat {
  std::uint32_t page_bytes = 0;
  std::uint32_t reserved_bytes = 0;  // at the end of each page, for extensions of SQLite
  enum class Encoding : std::uint8_t { kUtf8 = 1, kUtf16Le = 2, kUtf16Be = 3 } encoding = Encoding::kUtf8;

  std::uint32_t usable_bytes() const { return page_bytes - reserved_bytes; }
  // Of an overflow page, behind the number of the next one.
  std::uint32_t overflow_content_bytes() const { return usable_bytes() - 4; }
  bool operator==(const PageFormat&) const = default;
};

// From the first 100 bytes of a database; nothing if they are none.
std::optional<PageFormat> page_format(std::string_view header);

std::uint32_t big_endian_32(const char* bytes);

// A varint of SQLite's at the start of `bytes`, which it is removed from. False if they end
// before it does.
bool take_sqlite_varint(std::string_view& bytes, std::uint64_t& value);

struct BtreeCell {
  std::int64_t rowid = 0;          // in a table's b-tree
  PageNumber child = 0;            // on an interior page
  std::uint64_t payload_size = 0;  // of a record, all of it; 0: an interior cell of a table has none
  std::string_view local;          // what of it stands on this page
  PageNumber overflow = 0;         // where the rest begins
  std::string_view content;        // rowid, sizes, local and overflow as they stand: equal in equal cells

  bool operator==(const BtreeCell& other) const { return content == other.content; }
};

class BtreePage {
 public:
  enum class Kind : std::uint8_t { kIndexInterior = 2, kTableInterior = 5, kIndexLeaf = 10, kTableLeaf = 13 };

  // Nothing if it is no such page. `number` matters for the first page, which begins with the
  // database's header.
  static std::optional<BtreePage> read(std::string_view page, PageNumber number, const PageFormat& format);

  Kind kind() const { return kind_; }
  bool is_interior() const { return kind_ == Kind::kIndexInterior || kind_ == Kind::kTableInterior; }
  bool is_table() const { return kind_ == Kind::kTableInterior || kind_ == Kind::kTableLeaf; }
  // Whether its cells have records.
  bool has_rows() const { return kind_ != Kind::kTableInterior; }

  std::size_t cells() const { return cells_; }
  // False if it does not lie on the page.
  bool cell(std::size_t index, BtreeCell& cell) const;

  // Of an interior page, in the order of their keys. False if a cell does not lie on the page.
  bool children(std::vector<PageNumber>& children) const;

 private:
  BtreePage() = default;
  bool read_payload(std::string_view rest, const char* begin, BtreeCell& cell) const;

  std::string_view page_;
  PageFormat format_;
  Kind kind_ = Kind::kTableLeaf;
  std::size_t cells_ = 0;
  std::size_t pointers_at_ = 0;
  PageNumber right_child_ = 0;
};

}  // namespace colony
