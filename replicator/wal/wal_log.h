// The write-ahead log of a database and its index in shared memory, read as SQLite writes
// them (sqlite.org/walformat.html, fileformat2.html, 4).
//
// All reading goes through the file handles of an open SQLite connection. A process that closed
// a descriptor of its own on one of these files would drop every lock that SQLite has on it.
//
// Threads: that of the connection. Errors: SqliteError.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "replicator/store/sqlite.h"
#include "replicator/wal/btree_page.h"

namespace colony {

using FrameNumber = std::uint32_t;  // from 1; 0: before the first

// Which log it is: another one each time it is begun anew.
using WalSalt = std::array<std::uint32_t, 2>;

// How far the log goes, as the index tells: whole transactions only.
struct WalEnd {
  WalSalt salt{};
  FrameNumber frame = 0;
  std::array<std::uint32_t, 2> checksum{};  // of that frame, and all before it
  bool operator==(const WalEnd&) const = default;
};

struct WalFrame {
  PageNumber page = 0;
  std::uint32_t database_pages = 0;  // after it, if a transaction ends with it; otherwise 0
  WalSalt salt{};
  std::array<std::uint32_t, 2> checksum{};
};

class WalLog {
 public:
  // `db` must outlive it, be in WAL mode and have read something.
  explicit WalLog(Database& db);

  // Nothing while a commit is changing it.
  std::optional<WalEnd> end() const;
  // As of a moment at which no commit was changing it. Throws if none comes in 10 s.
  WalEnd wait_for_end() const;

  // Pages that were copied into the database, or may have been: those of frames up to there.
  FrameNumber written_back_at_most() const;
  // Likewise, for sure.
  FrameNumber written_back() const;

  // False if the file does not go so far.
  bool read_frame(FrameNumber frame, WalFrame& header) const;
  bool read_frame_page(FrameNumber frame, std::string& page) const;

  // From the database itself, without the log. What is beyond its end is zero.
  void read_database(std::uint64_t offset, std::size_t bytes, std::string& out) const;

  // How many pages the database itself has now, without the log.
  PageNumber file_pages() const;

  const PageFormat& format() const { return format_; }

 private:
  const volatile char* index() const;
  std::uint64_t frame_at(FrameNumber frame) const;

  Database& db_;
  sqlite3_file* database_ = nullptr;
  PageFormat format_;
};

}  // namespace colony
