#include "replicator/wal/btree_page.h"

namespace colony {
namespace {

constexpr std::size_t kDatabaseHeaderBytes = 100;
constexpr std::string_view kMagic("SQLite format 3\0", 16);

std::uint32_t big_endian_16(const char* bytes) {
  const auto* b = reinterpret_cast<const unsigned char*>(bytes);
  return static_cast<std::uint32_t>(b[0]) << 8 | b[1];
}

}  // namespace

std::uint32_t big_endian_32(const char* bytes) { return big_endian_16(bytes) << 16 | big_endian_16(bytes + 2); }

bool take_sqlite_varint(std::string_view& bytes, std::uint64_t& value) {
  constexpr std::size_t kBytesMax = 9;
  value = 0;
  for (std::size_t i = 0; i < bytes.size() && i < kBytesMax; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    const bool is_last = i + 1 == kBytesMax;
    value = is_last ? value << 8 | byte : value << 7 | (byte & 0x7f);
    if (!is_last && (byte & 0x80) != 0) continue;
    bytes.remove_prefix(i + 1);
    return true;
  }
  return false;
}

std::optional<PageFormat> page_format(std::string_view header) {
  constexpr std::size_t kPageBytesAt = 16, kReservedAt = 20, kEncodingAt = 56;
  constexpr std::uint32_t kPageBytesMin = 512, kUsableMin = 480;
  if (header.size() < kDatabaseHeaderBytes || !header.starts_with(kMagic)) return std::nullopt;
  PageFormat format;
  format.page_bytes = big_endian_16(header.data() + kPageBytesAt);
  if (format.page_bytes == 1) format.page_bytes = 65536;
  format.reserved_bytes = static_cast<unsigned char>(header[kReservedAt]);
  const std::uint32_t encoding = big_endian_32(header.data() + kEncodingAt);
  const bool is_power_of_two = (format.page_bytes & (format.page_bytes - 1)) == 0;
  if (format.page_bytes < kPageBytesMin || !is_power_of_two || format.usable_bytes() < kUsableMin) return std::nullopt;
  if (encoding > 3) return std::nullopt;
  // An empty database has none yet.
  format.encoding = static_cast<PageFormat::Encoding>(encoding == 0 ? 1 : encoding);
  return format;
}

std::optional<BtreePage> BtreePage::read(std::string_view page, PageNumber number, const PageFormat& format) {
  constexpr std::size_t kCellsAt = 3, kRightChildAt = 8, kLeafHeaderBytes = 8, kInteriorHeaderBytes = 12;
  const std::size_t at = number == 1 ? kDatabaseHeaderBytes : 0;
  if (page.size() != format.page_bytes) return std::nullopt;
  BtreePage read;
  read.page_ = page.substr(0, format.usable_bytes());
  read.format_ = format;
  switch (page[at]) {
    case 2:
    case 5:
    case 10:
    case 13:
      read.kind_ = static_cast<Kind>(page[at]);
      break;
    default:
      return std::nullopt;
  }
  read.cells_ = big_endian_16(page.data() + at + kCellsAt);
  read.pointers_at_ = at + (read.is_interior() ? kInteriorHeaderBytes : kLeafHeaderBytes);
  if (read.is_interior()) read.right_child_ = big_endian_32(page.data() + at + kRightChildAt);
  if (read.pointers_at_ + 2 * read.cells_ > read.page_.size()) return std::nullopt;
  return read;
}

bool BtreePage::cell(std::size_t index, BtreeCell& cell) const {
  if (index >= cells_) return false;
  const std::size_t at = big_endian_16(page_.data() + pointers_at_ + 2 * index);
  if (at < pointers_at_ + 2 * cells_ || at > page_.size()) return false;
  std::string_view rest = page_.substr(at);
  cell = BtreeCell{};
  if (is_interior()) {
    if (rest.size() < 4) return false;
    cell.child = big_endian_32(rest.data());
    rest.remove_prefix(4);
  }
  const char* const begin = rest.data();
  if (has_rows() && !take_sqlite_varint(rest, cell.payload_size)) return false;
  if (is_table()) {
    std::uint64_t rowid = 0;
    if (!take_sqlite_varint(rest, rowid)) return false;
    cell.rowid = static_cast<std::int64_t>(rowid);
  }
  return !has_rows() || read_payload(rest, begin, cell);
}

// How much of a record stands on the page, and what of it goes elsewhere: 1.6 of the format.
bool BtreePage::read_payload(std::string_view rest, const char* begin, BtreeCell& cell) const {
  const std::uint64_t usable = format_.usable_bytes();
  const std::uint64_t most = is_table() ? usable - 35 : (usable - 12) * 64 / 255 - 23;
  const std::uint64_t least = (usable - 12) * 32 / 255 - 23;
  std::uint64_t local = cell.payload_size;
  if (local > most) {
    const std::uint64_t fitting = least + (cell.payload_size - least) % (usable - 4);
    local = fitting <= most ? fitting : least;
  }
  const bool overflows = local < cell.payload_size;
  if (rest.size() < local + (overflows ? 4 : 0)) return false;
  cell.local = rest.substr(0, local);
  const char* end = rest.data() + local;
  if (overflows) {
    cell.overflow = big_endian_32(end);
    end += 4;
    if (cell.overflow == 0) return false;
  }
  cell.content = std::string_view(begin, static_cast<std::size_t>(end - begin));
  return true;
}

bool BtreePage::children(std::vector<PageNumber>& children) const {
  children.clear();
  if (!is_interior()) return true;
  for (std::size_t i = 0; i < cells_; ++i) {
    const std::size_t at = big_endian_16(page_.data() + pointers_at_ + 2 * i);
    if (at < pointers_at_ + 2 * cells_ || at + 4 > page_.size()) return false;
    children.push_back(big_endian_32(page_.data() + at));
  }
  children.push_back(right_child_);
  return true;
}

}  // namespace colony
