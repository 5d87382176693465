// What an applier tells those who want to know, and the three things that it asks them.
//
// One observer for each applier: ApplierReports (applier_reports.h) passes on what it
// hears to the parts of a sidecar. Who reads a log for itself alone, to restore a file,
// say, takes this one as it is: it hears nothing and objects to nothing.
//
// Threads: the applier's. Nothing here may block, or call the applier; progressed() and
// delayed() are also called from SQLite's callbacks. Errors: only check_may_go_on() and
// absorbed() may throw.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "replicator/apply/absorption.h"
#include "replicator/apply/log_state.h"
#include "replicator/log/log.h"
#include "replicator/status/loop_progress.h"
#include "replicator/status/status.h"

namespace colony {

// What may last long, and is no stall.
enum class Delay {
  kWriteLock,   // a program has it
  kCheckpoint,  // readers keep the write-ahead log from being copied into the database
  kBehind,      // the log has what the file has not absorbed
};

// How far the log reaches, and by which `colony recover` it is held (empty: it is not), if
// it was asked.
struct LogSight {
  Sequence end;
  std::optional<std::string> held_by;
};

// What the log has of this node, as far as the file has absorbed it.
struct OwnEntries {
  ChunkNumber accepted;     // the last of its chunks that was taken
  bool introduced = false;  // its hello was, from where the file lives now
};

struct AbsorbedRound {
  Sequence position;  // of the file now
  Absorbed absorbed;
  bool outbox_is_empty = false;
  // Nothing: this node's name is not its own any more, and the applier halts.
  std::optional<OwnEntries> own;
  // What this node has sent lately does not count, or will not: it may send only after it
  // has asked again.
  bool must_ask_again = false;
};

class ApplierObserver {
 public:
  using Since = std::optional<std::chrono::steady_clock::time_point>;  // nothing: not any more

  virtual ~ApplierObserver() = default;

  // Whether anything is against going on: throws Halt. Before each step, once the log is
  // known to be the file's.
  virtual void check_may_go_on() const {}
  // The number of the question that the publisher waits with, if it does.
  virtual std::optional<std::uint64_t> open_question() const { return std::nullopt; }
  // The question has its answer: the file has absorbed an end of the log that was looked
  // up after it was asked, and nothing is against sending.
  virtual void question_answered(std::uint64_t /*question*/) {}

  // What its loop does.
  virtual void progressed(const LoopMark& /*mark*/) {}
  virtual void delayed(Delay /*by*/, Since /*since*/) {}
  // How the node is. `position` is the file's.
  virtual void state_changed(State /*state*/, const std::string& /*why*/, Sequence /*position*/) {}

  // The file was read, or read anew: what was told of it before is void.
  virtual void file_loaded(const LogState& /*state*/) {}
  // What the log says of itself; it may turn out not to be the file's.
  virtual void log_seen(const LogSight& /*sight*/) {}
  // Over a new connection, the log was found to be the file's. What was sent over the one
  // before may be lost.
  virtual void log_met(const LogInfo& /*info*/, const OwnEntries& /*own*/) {}
  // A round was committed. A barrier or a question in it is its last message: a reader now
  // sees what the rows are there, with the pending transactions on top.
  virtual void absorbed(const AbsorbedRound& /*round*/) {}
};

}  // namespace colony
