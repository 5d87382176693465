// ChangesetReader, ChangesetWriter and invert(): what the reader takes, the writer
// gives back, SQLite's own reader understands alike, and inverting twice changes
// nothing.
#include <sqlite3.h>

#include <memory>
#include <string>

#include "sqlite_ext/changeset.h"
#include "tests/fuzz/fuzz.h"

namespace colony::fuzz {
namespace {

struct Read {
  std::string written;  // by our writer, of what our reader read
  std::string plain;    // the same without the names of columns, which SQLite's format does not have
  std::size_t changes = 0;
};

Read read_and_write(std::string_view bytes) {
  Read read;
  ChangesetReader reader(bytes);
  ChangesetWriter writer(read.written);
  ChangesetWriter plain_writer(read.plain);
  std::size_t tables = 0;
  Change change;
  while (reader.next(change)) {
    if (reader.tables_begun() != tables) {
      writer.begin_table(reader.table());
      ChangesetTable plain = reader.table();
      plain.names.clear();
      plain_writer.begin_table(plain);
    }
    tables = reader.tables_begun();
    writer.add(change);
    plain_writer.add(change);
    ++read.changes;
  }
  return read;
}

struct Finish {
  void operator()(sqlite3_changeset_iter* changes) const { sqlite3changeset_finalize(changes); }
};

std::size_t changes_by_stock_reader(std::string& changeset) {
  sqlite3_changeset_iter* opened = nullptr;
  if (sqlite3changeset_start(&opened, static_cast<int>(changeset.size()), changeset.data()) != SQLITE_OK) std::abort();
  const std::unique_ptr<sqlite3_changeset_iter, Finish> changes(opened);
  std::size_t count = 0;
  while (sqlite3changeset_next(changes.get()) == SQLITE_ROW) ++count;
  return count;
}

std::string inverted(std::string_view bytes) {
  Spill inverse = invert(bytes, SpillSettings());
  return std::string(inverse.view());
}

void try_changeset(std::string_view bytes) {
  try {
    Read read = read_and_write(bytes);
    const Read again = read_and_write(read.written);
    require(again.written == read.written, "what was written reads as what it was written from");
    require(again.changes == read.changes, "as many changes are written as were read");
    require(changes_by_stock_reader(read.plain) == read.changes, "SQLite reads as many changes as Colony");
    const std::string twice = inverted(inverted(read.written));
    require(read_and_write(twice).changes == read.changes, "inverting loses no change");
    require(inverted(inverted(twice)) == twice, "inverting twice more changes nothing");
  } catch (const ChangesetError&) {
  }
}

}  // namespace
}  // namespace colony::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  colony::fuzz::try_changeset(colony::fuzz::bytes_of(data, size));
  return 0;
}
