#include "replicator/sidecar/served_file.h"

#include <utility>

#include "replicator/membership/enrollment.h"
#include "replicator/membership/file_claim.h"

namespace colony {

ServedFile::ServedFile(boost::asio::io_context& loop, const std::string& path,
                       std::function<void(const std::string& trouble)> on_trouble)
    : loop_(loop),
      path_(home_of(path).path),  // SQLite follows symbolic links before it names the write-ahead log
      locks_(path_),
      identity_(claim_file(path_)),
      home_(home_of(path_)),
      health_(loop, path_, std::move(on_trouble)) {}

void ServedFile::watch(std::function<void()> on_commit) {
  const auto committed = [this, on_commit = std::move(on_commit)] {
    on_commit();
    if (health_.is_unwell()) health_.look();
  };
  watch_.emplace(loop_, path_, committed, [this] { health_.look(); });
}

}  // namespace colony
