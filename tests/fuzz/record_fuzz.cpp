// read_record(): the values that it gives are those that SQLite reads when the record is a row of
// a table, and it refuses none that SQLite takes.
#include <memory>
#include <string>

#include "replicator/wal/btree_page.h"
#include "replicator/wal/record.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/sqlite_image.h"

namespace colony::fuzz {
namespace {

constexpr std::size_t kColumns = 24;

const std::string& empty_image() {
  static const std::string image = [] {
    std::string columns = "c0";
    for (std::size_t i = 1; i < kColumns; ++i) columns += ",c" + std::to_string(i);
    return image_of("PRAGMA page_size = 8192; CREATE TABLE t(" + columns + ")");
  }();
  return image;
}

// A leaf with one cell, which has the record.
std::string image_with(std::string_view record) {
  std::string image = empty_image();
  const std::size_t page_bytes = image.size() / 2;
  std::string cell{static_cast<char>(0x80 | record.size() >> 7), static_cast<char>(record.size() & 0x7f), 1};
  cell += record;
  const std::size_t at = page_bytes - cell.size();
  std::string page(page_bytes, '\0');
  page[0] = 13;
  page[4] = 1;
  for (const std::size_t number : {std::size_t{5}, std::size_t{8}}) {
    page[number] = static_cast<char>(at >> 8);
    page[number + 1] = static_cast<char>(at & 0xff);
  }
  page.replace(at, cell.size(), cell);
  image.replace(page_bytes, page_bytes, page);
  return image;
}

// What SQLite does not look at: columns that the table has not. What it reads as NULL though no
// database has it: two reserved types, and a header of no bytes.
bool is_read_leniently(std::string_view record) {
  std::string_view rest = record;
  std::uint64_t header = 0, type = 0;
  if (!take_sqlite_varint(rest, header) || header == 0) return true;
  std::size_t fields = 0;
  for (; record.size() - rest.size() < header && take_sqlite_varint(rest, type); ++fields) {
    if (type == 10 || type == 11) return true;
  }
  return fields > kColumns;
}

void try_record(std::string_view record) {
  if (record.size() < 2 || record.size() > 4096) return;  // SQLite knows no cell that is smaller
  std::vector<Value> values;
  const bool is_record = read_record(record, values);
  const MemoryImage image(image_with(record));
  sqlite3_stmt* const select = image.prepared("SELECT * FROM t");
  const bool is_row = sqlite3_step(select) == SQLITE_ROW;
  if (is_record && is_row) {
    for (std::size_t i = 0; i < kColumns; ++i) {
      const Value theirs = value_of(sqlite3_column_value(select, static_cast<int>(i)));
      require(identical(i < values.size() ? values[i] : Value::null(), theirs), "SQLite reads the same values");
    }
  }
  require(!is_row || is_record || is_read_leniently(record), "what SQLite takes for a record is one");
  sqlite3_finalize(select);
}

}  // namespace
}  // namespace colony::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  colony::fuzz::try_record(colony::fuzz::bytes_of(data, size));
  return 0;
}
