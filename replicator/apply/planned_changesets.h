// The changesets of a planned message, each in one: what large transactions have left in
// the file and in earlier messages is put together, beside the file if it is much.
//
// Threads: the applier's. Errors: SqliteError, SpillError.
#pragma once

#include <list>
#include <vector>

#include "replicator/apply/planner.h"
#include "replicator/store/node_file.h"
#include "sqlite_ext/changeset.h"
#include "sqlite_ext/spill.h"

namespace colony {

class PlannedChangesets {
 public:
  // The message that was planned, and those planned before, must outlive it.
  PlannedChangesets(NodeFile& file, const PlannedMessage& message);

  // One for each of the message's transactions; empty for an own one. They stay where
  // they are when this moves.
  const std::vector<ChangesetView>& all() const { return changesets_; }

 private:
  std::vector<ChangesetView> changesets_;
  std::list<Spill> assembled_;
};

}  // namespace colony
