#include "replicator/sidecar/served_file.h"

#include <utility>

#include "replicator/membership/enrollment.h"
#include "replicator/membership/file_claim.h"
#include "replicator/store/file_layout.h"

namespace colony {
namespace {

// The connection that closes last, if no program has the file open then. It copies the write-ahead
// log into the database, and leaves it where it is: so whoever opens the file next can go on at the
// mark, unless a program has been there.
std::optional<Database> persisting(const std::string& path) {
  Database db(path, Database::Mode::kReadWrite);
  if (capture_mode(db) != CaptureMode::kWal) return std::nullopt;
  int persists = 1;
  sqlite3_file_control(db.handle(), "main", SQLITE_FCNTL_PERSIST_WAL, &persists);
  return db;
}

}  // namespace

ServedFile::ServedFile(boost::asio::io_context& loop, const std::string& path,
                       std::function<void(const std::string& trouble)> on_trouble)
    : loop_(loop),
      path_(home_of(path).path),  // SQLite follows symbolic links before it names the write-ahead log
      locks_(path_),
      identity_(claim_file(path_)),
      home_(home_of(path_)),
      last_open_(persisting(path_)),
      health_(loop, path_, std::move(on_trouble)) {}

void ServedFile::watch(std::function<void()> on_commit) {
  const auto committed = [this, on_commit = std::move(on_commit)] {
    on_commit();
    if (health_.is_unwell()) health_.look();
  };
  // After a checkpoint the log may be begun anew, once who captures from it makes way.
  const auto checkpoints = last_open_ ? FileWatch::Checkpoints::kCount : FileWatch::Checkpoints::kIgnored;
  watch_.emplace(loop_, path_, checkpoints, committed, [this] { health_.look(); });
}

}  // namespace colony
