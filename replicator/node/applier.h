// The applier: reads the log in its order and absorbs it into the file.
//
//   a node's rows = fold(the log up to position) + its pending transactions
//
// Each round is one SQLite transaction in which rows, position, high-water marks
// and the trimmed outbox move together. It is short: it absorbs for about
// Options::transaction_ms, so that an app that wants to write waits no longer; or
// for as long as undoing pending transactions took, lest it did that for little.
//
// Threads: one, of its own (or the simulator's). It touches the file through one
// connection of its own. Errors of step(): LogUnavailable (try again), Halt (stay
// away until an operator or a schema change mends the cause; then try again),
// SqliteError (likewise: a full disk, say), Interrupted. After each of them the
// next step() begins by reading everything anew.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "replicator/log/entry.h"
#include "replicator/log/log.h"
#include "replicator/node/planner.h"
#include "replicator/node/progress.h"
#include "replicator/node/rebase.h"
#include "replicator/node/status.h"

namespace colony {

class Applier {
 public:
  struct Options {
    FetchLimits fetch;
    std::chrono::milliseconds transaction_ms{10};
    // For transactions that are too large for memory; beside the file if not given.
    std::optional<SpillSettings> spill;
    // Where this file lives, as its own hello tells the others.
    Home home;
    // Asked between two tries for the write lock that an app holds.
    std::function<bool(int waited_ms)> go_on_waiting = [](int) { return true; };
    // Called right after the commit that moved the file to a barrier's position:
    // what a reader now sees is the fold up to there and the pending transactions.
    std::function<void(const BarrierEntry&, Sequence)> on_barrier = [](const BarrierEntry&, Sequence) {};
  };

  // Opens the file; throws Error if it is not a colony's.
  Applier(const std::string& path, Log& log, Progress& progress, Status& status, Options options);
  ~Applier();

  // Any thread: makes a long round end with an SqliteError, undone.
  void interrupt() { sqlite3_interrupt(db_.handle()); }

  // One round: waits up to `wait` for the log to have something new, and absorbs
  // it. True if the position moved.
  bool step(std::chrono::milliseconds wait);

  Sequence position() const { return position_; }

 private:
  // What a transaction absorbed: told to the others once it is committed.
  struct Absorbed {
    std::size_t messages = 0;
    std::size_t not_entries = 0;
    bool own_out_of_turn = false;
    std::map<std::string, Origin> origins;
    std::optional<std::pair<BarrierEntry, Sequence>> barrier;
  };

  void load();
  void meet_log();
  const Origin* self() const;
  void check_name();
  void check_next(const Message& message);
  void answer_question();
  void index_new_pending();
  void absorb();
  Absorbed absorb_once(std::size_t messages_max, bool undo_all);
  std::vector<PlannedMessage> plan(std::size_t messages_max);
  std::set<PieceNumber> met_by(const std::vector<PlannedMessage>& plans) const;
  void execute(const PlannedMessage& plan, Rebase& rebase, Absorbed& absorbed);
  void write_progress(const Absorbed& absorbed);
  void tell(Absorbed& absorbed);
  void tell_accepted();

  Database db_;
  NodeFile file_;
  ReplicatedSchema schema_;
  Fold fold_;
  ConflictJournal journal_;
  PendingTransactions pending_;
  Log& log_;
  Progress& progress_;
  Status& status_;
  Options options_;

  // Copies of what the file says; void when !loaded_.
  bool loaded_ = false;
  Sequence position_;
  std::map<std::string, Origin> origins_;

  bool met_log_ = false;                   // and found that it is the one that the file remembers
  std::optional<std::uint64_t> question_;  // of the publisher, once head_ was looked up for it
  Sequence head_;
  bool introduced_ = false;        // this node's hello from here was seen since the start
  std::vector<Message> messages_;  // fetched and not yet absorbed
};

}  // namespace colony
