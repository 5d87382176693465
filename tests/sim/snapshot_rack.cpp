#include "tests/sim/snapshot_rack.h"

#include "replicator/snapshots/snapshot_maker.h"
#include "tests/sim/node.h"

namespace colony::sim {

std::string SnapshotRack::place_for(const std::string& path) {
  if (path.find("vfs=memdb") != std::string::npos) return fresh_path("snapshot");
  const std::string file = "snapshot-" + std::to_string(++made_);
  disk_.create(file);
  return disk_.path(file);
}

std::unique_ptr<Database> SnapshotRack::new_place(const std::string& path) {
  return std::make_unique<Database>(place_for(path), Database::Mode::kReadWrite);
}

Database& SnapshotRack::make(const std::string& path, const BeginRead& begin) {
  auto made = new_place(path);
  newest_ = make_base(
                path, made->path(), [](std::uint64_t, std::uint64_t) { return true; }, begin)
                .position;
  auto& place = snapshots_[newest_];
  place = std::move(made);
  return *place;
}

std::unique_ptr<Database> SnapshotRack::copy_for(const std::string& path, Sequence position) {
  auto copy = new_place(path);
  copy_database(this->path(position), copy->path());
  return copy;
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
