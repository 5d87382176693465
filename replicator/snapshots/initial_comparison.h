// Compares a file that has never joined a log with the colony that others have begun. It
// may go on from the colony's snapshot if
//
//   - it has no rows but pending ones: there is nothing to lose; or
//   - its rows without the pending ones, with the log folded on top, are the rows of the
//     snapshot: it began as a copy of the colony's first file.
//
// Otherwise it would differ from the others for good, and is refused.
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

// The rows differ from the colony's. The text says which, and what to do.
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
    BeginRead begin = {};                // of the database
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
