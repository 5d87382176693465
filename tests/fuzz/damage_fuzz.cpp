// WalFollower on a database, a write-ahead log and an index that were damaged behind SQLite's back:
// it says so or makes something of it, and neither crashes, nor runs on, nor fills the memory.
#include <sqlite3.h>

#include <algorithm>
#include <string>

#include "replicator/wal/captured_transactions.h"
#include "replicator/wal/wal_follower.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/temporary_folder.h"
#include "tests/unit/wal/watched_file.h"

namespace colony::fuzz {
namespace {

constexpr const char* kSchema =
    "CREATE TABLE __colony_meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE __colony_tables(name TEXT PRIMARY KEY, definition TEXT NOT NULL DEFAULT '') WITHOUT ROWID;"
    "CREATE TABLE objects(id INTEGER PRIMARY KEY, a, b REAL);"
    "CREATE TABLE pairs(w INT, b TEXT, a, v, PRIMARY KEY(a, b)) WITHOUT ROWID;"
    "INSERT INTO __colony_tables(name) VALUES('objects'), ('pairs');"
    "INSERT INTO __colony_meta VALUES('wal_mark', x'00'), ('unconfirmed', 0);"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)"
    "INSERT INTO objects SELECT i, zeroblob(i * 20), i FROM n;"
    "INSERT INTO pairs SELECT id, id, hex(a), b FROM objects WHERE id < 20;"
    "PRAGMA wal_checkpoint";

constexpr const char* kTransactions[] = {
    "UPDATE objects SET b = 5 WHERE id % 7 = 0",
    "DELETE FROM objects WHERE id BETWEEN 20 AND 40",
    "INSERT INTO objects SELECT id + 100, a, b FROM objects",
    "UPDATE pairs SET v = zeroblob(700) WHERE w % 2 = 0",
    "INSERT OR REPLACE INTO __colony_meta VALUES('wal_mark', CAST('1 1 1 1 1 1' AS BLOB))",
    "DELETE FROM pairs WHERE w < 10",
    "UPDATE objects SET id = id + 1000",
};

// A file with transactions in its log that nobody has read, as it is before the damage.
class Undamaged {
 public:
  Undamaged()
      : file_(unit::new_wal_database(folder_ / "x.db", {.page_bytes = 512, .auto_vacuum = "INCREMENTAL"}, kSchema)) {
    sqlite3_file_control(file_.handle(), "main", SQLITE_FCNTL_FILE_POINTER, &database_);
    sqlite3_file_control(file_.handle(), "main", SQLITE_FCNTL_JOURNAL_POINTER, &log_);
    file_.execute("UPDATE objects SET b = 4 WHERE id = 1");
    const WalLog log(file_);
    base_ = log.wait_for_end();
    tables_ = WalTables(file_, log.format());
    for (const char* const transaction : kTransactions) file_.execute(transaction);
    kept_database_ = bytes_of(database_);
    kept_log_ = bytes_of(log_);
    kept_index_ = std::string(const_cast<const char*>(index()), kIndexBytes);
  }

  Database& database() { return file_; }
  const WalEnd& base() const { return base_; }
  const WalTables& tables() const { return tables_; }

  // Each byte of damage: which file, where, the byte.
  void damage(std::string_view bytes) {
    for (; bytes.size() >= 4; bytes.remove_prefix(4)) {
      const auto at =
          static_cast<std::size_t>(static_cast<unsigned char>(bytes[1])) << 8 | static_cast<unsigned char>(bytes[2]);
      const char byte = bytes[3];
      switch (bytes[0] & 3) {
        case 0:
          index()[at % kIndexBytes] = byte;
          break;
        case 1:
          write(database_, at % kept_database_.size(), {&byte, 1});
          break;
        default:
          write(log_, (at | (bytes[0] & 4) << 14) % kept_log_.size(), {&byte, 1});
      }
    }
  }

  void mend() {
    write(database_, 0, kept_database_);
    write(log_, 0, kept_log_);
    for (std::size_t i = 0; i < kIndexBytes; ++i) index()[i] = kept_index_[i];
  }

 private:
  static constexpr std::size_t kIndexBytes = 136;  // its header: nothing else of it is read

  static std::string bytes_of(sqlite3_file* file) {
    sqlite3_int64 size = 0;
    file->pMethods->xFileSize(file, &size);
    std::string bytes(static_cast<std::size_t>(size), '\0');
    if (file->pMethods->xRead(file, bytes.data(), static_cast<int>(size), 0) != SQLITE_OK) std::abort();
    return bytes;
  }
  // SQLite's own function writes no more than some 128 KiB.
  static void write(sqlite3_file* file, std::size_t at, std::string_view bytes) {
    constexpr std::size_t kBytesMax = 65536;
    for (; !bytes.empty(); bytes.remove_prefix(std::min(kBytesMax, bytes.size())), at += kBytesMax) {
      const std::string_view piece = bytes.substr(0, kBytesMax);
      const auto offset = static_cast<sqlite3_int64>(at);
      if (file->pMethods->xWrite(file, piece.data(), static_cast<int>(piece.size()), offset) != SQLITE_OK) std::abort();
    }
  }
  volatile char* index() {
    volatile void* mapped = nullptr;
    if (database_->pMethods->xShmMap(database_, 0, 32 * 1024, 0, &mapped) != SQLITE_OK) std::abort();
    return static_cast<volatile char*>(mapped);
  }

  unit::TemporaryFolder folder_;
  Database file_;
  sqlite3_file *database_ = nullptr, *log_ = nullptr;
  WalEnd base_;
  WalTables tables_;
  std::string kept_database_, kept_log_, kept_index_;
};

std::size_t follow(Undamaged& file) {
  const WalLog log(file.database());
  CapturedTransactions captured((SpillSettings()));
  WalFollower follower(log, file.base(), file.tables(), 0, captured, SpillSettings());
  const std::optional<WalEnd> end = log.end();
  if (!end) return 0;
  const auto own = [&](const WalMark&, FrameNumber, bool) { return file.tables(); };
  follower.read(*end, ~std::size_t{0}, own);
  return captured.count();
}

void try_damage(std::string_view bytes) {
  static Undamaged& file = *new Undamaged;
  file.damage(bytes);
  try {
    const std::size_t transactions = follow(file);
    require(!bytes.empty() || transactions == std::size(kTransactions) - 1, "all is read when there is no damage");
  } catch (const Error&) {
  } catch (const ChangesetError&) {
  }
  file.mend();
}

}  // namespace
}  // namespace colony::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  colony::fuzz::try_damage(colony::fuzz::bytes_of(data, size));
  return 0;
}
