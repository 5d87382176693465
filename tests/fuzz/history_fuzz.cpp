// PageVersions, TreeMap, PageChanges, RowDecoder: whatever SQLite is made to write into a
// write-ahead log, the rows that are read from its pages are those of a SELECT.
#include <sqlite3.h>

#include <filesystem>
#include <string>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/temporary_folder.h"
#include "tests/unit/wal/watched_file.h"

namespace colony::fuzz {
namespace {

constexpr int kStatementsMax = 24;

constexpr const char* kSchema =
    "CREATE TABLE objects(id INTEGER PRIMARY KEY, a, b REAL);"
    "CREATE TABLE pairs(w INT, b TEXT COLLATE NOCASE, a, g AS (w + 1) STORED, v, PRIMARY KEY(a, b)) WITHOUT ROWID;"
    "CREATE TABLE words(x, k TEXT PRIMARY KEY, n AS (length(x)), u);"
    "CREATE INDEX words_u ON words(u);"
    "INSERT INTO words(x, k, u) VALUES(1, 'old', 2), (NULL, 'older', x'00'), (3, NULL, 4);"
    "ALTER TABLE words ADD COLUMN later DEFAULT 7;"
    "ALTER TABLE words ADD COLUMN real REAL DEFAULT 1;";

// What the bytes choose; zeros when they have ended.
class Choices {
 public:
  explicit Choices(std::string_view bytes) : bytes_(bytes) {}

  bool ended() const { return bytes_.empty(); }
  unsigned below(unsigned count) {
    if (bytes_.empty()) return 0;
    const auto byte = static_cast<unsigned char>(bytes_.front());
    bytes_.remove_prefix(1);
    return byte % count;
  }
  std::string number() { return std::to_string(below(200)); }
  std::string length() { return std::to_string(below(256) * (below(2) == 0 ? 1 : 40)); }

  std::string hex(unsigned bytes) {
    constexpr const char* kDigits = "0123456789abcdef";
    std::string text = "x'";
    for (unsigned i = 0; i < bytes; ++i) {
      const unsigned byte = below(256);
      text += kDigits[byte >> 4];
      text += kDigits[byte & 15];
    }
    return text + "'";
  }

  std::string value() {
    constexpr const char* kEdges[] = {"0",
                                      "1",
                                      "-1",
                                      "127",
                                      "-128",
                                      "32768",
                                      "-8388609",
                                      "2147483648",
                                      "140737488355327",
                                      "-9223372036854775808",
                                      "9e999",
                                      "-0.0",
                                      "2.0",
                                      "0.1"};
    switch (below(8)) {
      case 0:
        return "NULL";
      case 1:
        return kEdges[below(std::size(kEdges))];
      case 2:
        return hex(below(20));
      case 3:
        return "zeroblob(" + length() + ")";
      case 4:
        return "CAST(" + hex(below(12)) + " AS TEXT)";
      case 5:
        return "hex(zeroblob(" + length() + "))";
      default:
        return number();
    }
  }

 private:
  std::string_view bytes_;
};

std::string statement(Choices& choices) {
  switch (choices.below(12)) {
    case 0:
      return "INSERT OR REPLACE INTO objects VALUES(" + choices.number() + "," + choices.value() + "," +
             choices.value() + ")";
    case 1:
      return "INSERT OR REPLACE INTO pairs(w, b, a, v) VALUES(" + choices.number() + "," + choices.value() + "," +
             choices.value() + "," + choices.value() + ")";
    case 2:
      return "INSERT OR REPLACE INTO words(x, k, u) VALUES(" + choices.value() + "," + choices.value() + "," +
             choices.value() + ")";
    case 3:
      return "INSERT OR REPLACE INTO objects(id, a) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
             "WHERE i < " +
             choices.number() + ") SELECT i * " + std::to_string(1 + choices.below(5)) + ", zeroblob(" +
             std::to_string(choices.below(256)) + ") FROM n";
    case 4:
      return "INSERT OR REPLACE INTO pairs(w, b, a, v) SELECT id, id, hex(a), b FROM objects WHERE id % " +
             std::to_string(1 + choices.below(4)) + " = 0";
    case 5:
      return "DELETE FROM objects WHERE id BETWEEN " + choices.number() + " AND " + choices.number();
    case 6:
      return "DELETE FROM pairs WHERE w % 3 = " + std::to_string(choices.below(3));
    case 7:
      return "DELETE FROM words WHERE rowid % 2 = " + std::to_string(choices.below(2));
    case 8:
      return "UPDATE objects SET a = " + choices.value() + " WHERE id % 5 = " + std::to_string(choices.below(5));
    case 9:
      return "UPDATE OR REPLACE objects SET id = id + " + choices.number();
    case 10:
      return "UPDATE words SET later = " + choices.value() + ", real = 3";
    default:
      return "UPDATE pairs SET v = " + choices.value() + " WHERE w < " + choices.number();
  }
}

// In place: overflow pages that it changes are written alone.
void write_blob(Database& program, Choices& choices) {
  Statement row(program,
                "SELECT id, length(a) FROM objects WHERE typeof(a) = 'blob' AND length(a) > 0 LIMIT 1 OFFSET ?1");
  if (!row.bind(1, std::int64_t{choices.below(8)}).step()) return;
  const std::int64_t id = row.integer(0), size = row.integer(1);
  row.reset();
  sqlite3_blob* blob = nullptr;
  const char byte = static_cast<char>(choices.below(256));
  if (sqlite3_blob_open(program.handle(), "main", "objects", "a", id, 1, &blob) == SQLITE_OK) {
    sqlite3_blob_write(blob, &byte, 1, static_cast<int>(choices.below(256) * (size - 1) / 255));
  }
  sqlite3_blob_close(blob);
}

void run(Database& program, const std::string& sql) {
  try {
    program.execute(sql);
  } catch (const SqliteError&) {
  }
}

void step(unit::WatchedFile& file, Choices& choices) {
  constexpr const char* kCheckpoints[] = {"PASSIVE", "FULL", "RESTART", "TRUNCATE"};
  Database& program = file.program();
  switch (choices.below(10)) {
    case 0:
      run(program, program.in_transaction() ? "COMMIT" : "BEGIN");
      break;
    case 1:
      run(program, program.in_transaction() ? "ROLLBACK" : "PRAGMA incremental_vacuum(9)");
      break;
    case 2:
      write_blob(program, choices);
      break;
    case 3:
      if (program.in_transaction()) return;
      file.take();
      file.move_pin();
      run(program, std::string("PRAGMA wal_checkpoint(") + kCheckpoints[choices.below(4)] + ")");
      file.move_pin();
      break;
    default:
      run(program, statement(choices));
  }
}

void try_history(std::string_view bytes) {
  static const unit::TemporaryFolder folder;
  constexpr int kPageBytes[] = {512, 1024, 4096, 65536};
  constexpr const char* kEncodings[] = {"UTF-8", "UTF-16le", "UTF-16be"};
  constexpr const char* kVacuums[] = {"NONE", "FULL", "INCREMENTAL"};
  Choices choices(bytes);
  const unit::FileForm form{kPageBytes[choices.below(4)],
                            choices.below(4) == 0 ? static_cast<int>(choices.below(33)) : 0,
                            kEncodings[choices.below(3)], kVacuums[choices.below(3)]};
  const std::string path = folder / "x.db";
  {
    unit::WatchedFile file(path, form, kSchema);
    file.program().execute("PRAGMA busy_timeout = 0");
    file.program().execute("PRAGMA cache_size = 8");
    for (int i = 0; i < kStatementsMax && !choices.ended(); ++i) {
      step(file, choices);
      if (file.program().in_transaction()) continue;
      file.take();
      const std::string difference = file.difference();
      if (!difference.empty()) std::fprintf(stderr, "%s\n", difference.c_str());
      require(difference.empty(), "the rows that are read are those that SQLite selects");
    }
  }
  for (const char* const suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
}

}  // namespace
}  // namespace colony::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  colony::fuzz::try_history(colony::fuzz::bytes_of(data, size));
  return 0;
}
