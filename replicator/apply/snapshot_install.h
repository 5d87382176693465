// Installs a snapshot in a file: the rows become those of
// the snapshot and, on top of them, the transactions of this node that it does not have.
//
// Threads: the applier's. One SQLite transaction, which holds the write lock in
// proportion to what differs. Errors: Halt, and IncompatibleBase of its kinds; LogUnavailable if
// the file has changed meanwhile: again; Interrupted, SqliteError. Nothing has happened
// then. Afterwards the file has to be loaded anew in any case.
#pragma once

#include <functional>
#include <string>

#include "replicator/apply/folded_file.h"
#include "replicator/compare/row_replacement.h"
#include "replicator/file/write_turns.h"

namespace colony {

// The snapshot does not come after what this file has absorbed; a later one may.
class IncompatibleBase : public Halt {
 public:
  using Halt::Halt;
};

// What becomes of the rows that a file without its pending transactions has, if it has met
// no colony yet and the snapshot does not have them.
enum class OwnRows {
  kRefuse,    // Halt
  kCompared,  // they are the colony's of an earlier position (initial_comparison.h): replaced
};

class SnapshotInstall {
 public:
  // `file` was just loaded; `go_on` is asked now and then. All must outlive it. Throws
  // Halt if the snapshot is none.
  SnapshotInstall(FoldedFile& file, WriteTurns& turns, const std::string& snapshot_file, OwnRows own_rows,
                  std::function<bool()> go_on);

  // Nothing happens if the snapshot is not ahead of this file in its own log. One of
  // another log is taken if that log has come after this file's by `colony recover` and
  // the snapshot has all that this file has absorbed. Throws Halt if not, or if it would
  // replace rows that were never shared.
  void run();

 private:
  void check_compatible();
  void replace_base();
  void replace_schema_and_base();
  void check_goes_on() const;
  void note_pending(RowReplacement& replacement);
  void take_log_state(Rebase& rebase);

  FoldedFile& file_;
  WriteTurns& turns_;
  const OwnRows own_rows_;
  Database base_db_;
  NodeFile base_;
  std::function<bool()> go_on_;
};

}  // namespace colony
