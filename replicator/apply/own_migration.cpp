#include "replicator/apply/own_migration.h"

namespace colony {

void OwnMigration::look(std::optional<ChunkNumber> latest, Clock::time_point now) {
  if (!latest || (latest_ && *latest <= *latest_)) return;
  latest_ = latest;
  changed_ = now;
}

bool OwnMigration::holds_back(Clock::time_point now) {
  if (!changed_ || now - *changed_ >= pause_) {
    since_.reset();
    return false;
  }
  if (!since_) since_ = now;
  return now - *since_ < wait_max_;
}

}  // namespace colony
