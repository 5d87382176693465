// The snapshots of a simulated colony, as databases in memory that production code
// has made: what a store would give back, unpacked.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "replicator/log/log.h"
#include "replicator/store/begin_read.h"
#include "replicator/store/sqlite.h"
#include "tests/sim/power_disk.h"

namespace colony::sim {

class SnapshotRack {
 public:
  // Of the node's database at `path`; one that has the same position goes.
  Database& make(const std::string& path, const BeginRead& begin = {});

  // An empty database in which a copy of that one can be made; it keeps itself alive.
  std::unique_ptr<Database> new_place(const std::string& path);

  // The snapshot of that position, to be written to, beside the node's database.
  std::unique_ptr<Database> copy_for(const std::string& path, Sequence position);

  // In their order.
  std::vector<Sequence> positions() const;
  // Those from which the log can be read on.
  std::vector<Sequence> reaching(const LogInfo& log) const;
  Sequence newest_position() const { return newest_; }
  const std::string& path(Sequence position) const { return snapshots_.at(position)->path(); }

 private:
  std::string place_for(const std::string& path);

  PowerDisk disk_;  // for those of files in WAL mode, which memdb does not know
  std::uint64_t made_ = 0;
  std::map<Sequence, std::unique_ptr<Database>> snapshots_;  // each keeps itself alive
  Sequence newest_;                                          // that was made
};

}  // namespace colony::sim
