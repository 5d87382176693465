#include "replicator/wal/wal_log.h"

#include <atomic>
#include <bit>
#include <chrono>
#include <cstring>
#include <thread>

namespace colony {
namespace {

constexpr std::uint64_t kLogHeaderBytes = 32;
constexpr std::size_t kFrameHeaderBytes = 24;

// Of the index.
constexpr std::size_t kIndexHeaderBytes = 48;
constexpr std::size_t kIsInitializedAt = 12, kFramesAt = 16, kChecksumAt = 24, kSaltAt = 32;
constexpr std::size_t kWrittenBackAt = 96, kWrittenBackAtMostAt = 128;
constexpr int kIndexRegionBytes = 32 * 1024;

std::uint32_t host_32(const volatile char* bytes) { return *reinterpret_cast<const volatile std::uint32_t*>(bytes); }

[[noreturn]] void fail(Database& db, int rc, const char* what) {
  throw SqliteError(rc, db.path() + ": cannot read " + what);
}

}  // namespace

WalLog::WalLog(Database& db) : db_(db) {
  constexpr std::size_t kDatabaseHeaderBytes = 100;
  if (sqlite3_file_control(db.handle(), "main", SQLITE_FCNTL_FILE_POINTER, &database_) != SQLITE_OK ||
      database_->pMethods == nullptr) {
    throw Error(db.path() + " is no file that can be read");
  }
  std::string header;
  read_database(0, kDatabaseHeaderBytes, header);
  const std::optional<PageFormat> format = page_format(header);
  if (!format) throw Error(db.path() + " does not begin as a SQLite database does; it may be encrypted");
  format_ = *format;
  // Of a new database the log may have that alone.
  const std::string encoding = db.query_text("PRAGMA encoding");
  format_.encoding = encoding == "UTF-16le"   ? PageFormat::Encoding::kUtf16Le
                     : encoding == "UTF-16be" ? PageFormat::Encoding::kUtf16Be
                                              : PageFormat::Encoding::kUtf8;
}

// The mapping lasts as long as the connection has the log open.
const volatile char* WalLog::index() const {
  volatile void* mapped = nullptr;
  const int rc = database_->pMethods->iVersion < 2
                     ? SQLITE_ERROR
                     : database_->pMethods->xShmMap(database_, 0, kIndexRegionBytes, 0, &mapped);
  if (rc != SQLITE_OK || mapped == nullptr) fail(db_, rc, "the index of the write-ahead log");
  return static_cast<const volatile char*>(mapped);
}

// It stands there twice: who writes it begins with the second, who reads it with the first.
std::optional<WalEnd> WalLog::end() const {
  const volatile char* const shared = index();
  std::array<std::uint32_t, kIndexHeaderBytes / 4> first, second;
  for (std::size_t i = 0; i < first.size(); ++i) first[i] = host_32(shared + 4 * i);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  for (std::size_t i = 0; i < second.size(); ++i) second[i] = host_32(shared + kIndexHeaderBytes + 4 * i);
  if (first != second) return std::nullopt;
  std::array<char, kIndexHeaderBytes> bytes;
  std::memcpy(bytes.data(), first.data(), bytes.size());
  if (bytes[kIsInitializedAt] == 0) return std::nullopt;
  WalEnd end;
  end.frame = first[kFramesAt / 4];
  end.checksum = {first[kChecksumAt / 4], first[kChecksumAt / 4 + 1]};
  // As they stand in the log.
  end.salt = {big_endian_32(bytes.data() + kSaltAt), big_endian_32(bytes.data() + kSaltAt + 4)};
  return end;
}

WalEnd WalLog::wait_for_end() const {
  constexpr std::chrono::seconds kWait{10};
  const auto until = std::chrono::steady_clock::now() + kWait;
  while (std::chrono::steady_clock::now() < until) {
    if (const std::optional<WalEnd> end = this->end()) return *end;
    std::this_thread::yield();
  }
  // Somebody was killed while changing it: the next transaction mends it.
  fail(db_, SQLITE_BUSY, "the index of the write-ahead log: a commit has left it half written");
}

FrameNumber WalLog::written_back() const { return host_32(index() + kWrittenBackAt); }

FrameNumber WalLog::written_back_at_most() const { return host_32(index() + kWrittenBackAtMostAt); }

std::uint64_t WalLog::frame_at(FrameNumber frame) const {
  return kLogHeaderBytes + (frame - 1) * (kFrameHeaderBytes + std::uint64_t{format_.page_bytes});
}

namespace {

// False at the end of the file.
bool read_log(Database& db, std::uint64_t offset, std::size_t bytes, char* out) {
  sqlite3_file* log = nullptr;
  if (sqlite3_file_control(db.handle(), "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) != SQLITE_OK || log == nullptr ||
      log->pMethods == nullptr) {
    fail(db, SQLITE_ERROR, "the write-ahead log");
  }
  const int rc = log->pMethods->xRead(log, out, static_cast<int>(bytes), static_cast<sqlite3_int64>(offset));
  if (rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ) fail(db, rc, "the write-ahead log");
  return rc == SQLITE_OK;
}

}  // namespace

bool WalLog::read_frame(FrameNumber frame, WalFrame& header) const {
  std::array<char, kFrameHeaderBytes> bytes;
  if (!read_log(db_, frame_at(frame), bytes.size(), bytes.data())) return false;
  const auto number = [&](std::size_t at) { return big_endian_32(bytes.data() + at); };
  header = {number(0), number(4), {number(8), number(12)}, {number(16), number(20)}};
  return true;
}

bool WalLog::read_frame_page(FrameNumber frame, std::string& page) const {
  page.resize(format_.page_bytes);
  return read_log(db_, frame_at(frame) + kFrameHeaderBytes, page.size(), page.data());
}

PageNumber WalLog::file_pages() const {
  sqlite3_int64 bytes = 0;
  const int rc = database_->pMethods->xFileSize(database_, &bytes);
  if (rc != SQLITE_OK) fail(db_, rc, "the size of the database");
  return static_cast<PageNumber>(bytes / format_.page_bytes);
}

void WalLog::read_database(std::uint64_t offset, std::size_t bytes, std::string& out) const {
  out.assign(bytes, '\0');
  const int rc =
      database_->pMethods->xRead(database_, out.data(), static_cast<int>(bytes), static_cast<sqlite3_int64>(offset));
  if (rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ) fail(db_, rc, "the database");
}

}  // namespace colony
