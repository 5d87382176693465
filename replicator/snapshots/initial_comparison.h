// A file that has met nobody comes to a colony that others have begun: are its rows those
// on which the colony's log is folded? It may go on from the colony's snapshot if
//
//   - it has no rows of its own but those that are pending: there is nothing to lose; or
//   - its own rows, without what is pending, and the log on top of them come to the rows
//     of the snapshot: it began as a copy of the colony's first file.
//
// Else it would differ from the others for good, and is refused.
//
// Works on copies: the file goes on being written meanwhile. Threads: the one that may
// read the log.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "replicator/apply/snapshot_install.h"
#include "replicator/log/log.h"
#include "replicator/snapshots/snapshot_maker.h"
#include "sqlite_ext/spill.h"

namespace colony {

// The rows are others than the colony's. Its text says which, and what can be done.
class BaseDiffers : public Halt {
 public:
  using Halt::Halt;
};

class InitialComparison {
 public:
  struct Files {
    std::string database;                // has met nobody
    std::string snapshot;                // of the colony, an SQLite file
    std::string scratch;                 // an empty file, for a copy of the database
    std::optional<SpillSettings> spill;  // beside the scratch file, unless given
  };

  // `log` must outlive it; `go_on` says whether to, while it copies and replays.
  InitialComparison(Files files, Log& log, GoOn go_on)
      : files_(std::move(files)), log_(log), go_on_(std::move(go_on)) {}

  // Throws BaseDiffers; Halt if tables are defined otherwise, or it cannot be found out;
  // LogUnavailable, Interrupted,
  // SqliteError.
  void check();

 private:
  bool replay(Sequence target);
  [[noreturn]] void refuse(const std::string& what) const;

  const Files files_;
  Log& log_;
  const GoOn go_on_;
  std::string cluster_, node_;
};

}  // namespace colony
