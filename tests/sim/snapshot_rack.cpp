#include "tests/sim/snapshot_rack.h"

#include "replicator/node/snapshot_maker.h"
#include "tests/sim/node.h"

namespace colony::sim {

Database& SnapshotRack::make(const std::string& path) {
  auto made = std::make_unique<Database>(fresh_path("snapshot"), Database::Mode::kReadWrite);
  newest_ = make_base(path, made->path(), [](std::uint64_t, std::uint64_t) { return true; }).position;
  auto& place = snapshots_[newest_];
  place = std::move(made);
  return *place;
}

std::vector<Sequence> SnapshotRack::positions() const {
  std::vector<Sequence> positions;
  for (const auto& [position, snapshot] : snapshots_) positions.push_back(position);
  return positions;
}

std::vector<Sequence> SnapshotRack::reaching(const LogInfo& log) const {
  std::vector<Sequence> positions = this->positions();
  std::erase_if(positions, [&](Sequence position) { return position.next() < log.first; });
  return positions;
}

}  // namespace colony::sim
