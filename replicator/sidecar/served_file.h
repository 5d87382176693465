// The file that a sidecar serves: claimed for this node, looked after, and watched for
// commits.
//
// Threads: the main one, which runs the Asio loop; FileHealth says what others may call.
// Made before, and so destroyed after, everything that has the database open. Errors:
// Error if the file is no colony's, or is a copy.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <optional>
#include <string>

#include "replicator/file/file_health.h"
#include "replicator/file/file_watch.h"
#include "replicator/status/lock_watch.h"
#include "replicator/store/node_records.h"

namespace colony {

class ServedFile {
 public:
  // `on_trouble` is called when something has happened to the file, or something else has.
  ServedFile(boost::asio::io_context& loop, const std::string& path,
             std::function<void(const std::string& trouble)> on_trouble);

  // Calls `on_commit` for what programs commit from then on. Once the database is open.
  void watch(std::function<void()> on_commit);

  const std::string& path() const { return path_; }
  const Identity& identity() const { return identity_; }
  const Home& home() const { return home_; }
  FileHealth& health() { return health_; }
  LockWatch& locks() { return locks_; }

 private:
  boost::asio::io_context& loop_;
  const std::string path_;
  LockWatch locks_;
  const Identity identity_;
  const Home home_;
  const std::optional<Database> last_open_;  // in wal mode; see persisting()
  FileHealth health_;
  std::optional<FileWatch> watch_;
};

}  // namespace colony
