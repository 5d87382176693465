// The applier: reads the log in its order and absorbs it into the file.
//
//   a node's rows = fold(the log up to position) + its pending transactions
//
// Each round is one SQLite transaction in which rows, position, high-water marks
// and the trimmed outbox move together. It is short (RoundBudget): it takes in what
// can be done in about Options::transaction_ms, or less beside an app that writes,
// and more only where undoing pending transactions for little would repeat itself.
// What has become pending since the last look is read before the write lock is
// taken, in slices, however much it is.
//
// Threads: one, of its own (or the simulator's). It touches the file through one
// connection of its own. Errors of step(): LogUnavailable (try again), Halt (stay
// away until an operator or a schema change mends the cause; then try again),
// SqliteError (likewise: a full disk, say), Interrupted. After each of them the
// next step() begins by reading everything anew.
#pragma once

#include <chrono>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "replicator/log/entry.h"
#include "replicator/log/log.h"
#include "replicator/node/courtesy.h"
#include "replicator/node/log_witness.h"
#include "replicator/node/outbox_index.h"
#include "replicator/node/pace.h"
#include "replicator/node/planner.h"
#include "replicator/node/progress.h"
#include "replicator/node/pulse.h"
#include "replicator/node/rebase.h"
#include "replicator/node/round_budget.h"
#include "replicator/node/status.h"
#include "replicator/node/wal_keeper.h"
#include "replicator/store/statement_progress.h"

namespace colony {

// The log no longer has what this file has not absorbed: a snapshot must help.
class LogCut : public Halt {
 public:
  using Halt::Halt;
};

// The log is not the one that this file has met: a snapshot of it that has all that
// the file has absorbed may help.
class LogReplaced : public Halt {
 public:
  LogReplaced(const std::string& why, std::string former_epoch) : Halt(why), former_epoch_(std::move(former_epoch)) {}
  const std::string& former_epoch() const { return former_epoch_; }

 private:
  std::string former_epoch_;
};

// The snapshot does not come after what this file has absorbed; a later one may.
class NoHeir : public Halt {
 public:
  using Halt::Halt;
};

class Applier {
 public:
  struct Options {
    FetchLimits fetch;
    std::chrono::milliseconds transaction_ms{10};
    std::chrono::milliseconds transaction_beside_app_ms{4};  // while an app writes too
    // For transactions that are too large for memory; beside the file if not given.
    std::optional<SpillSettings> spill;
    // The public key to what its publisher signs with; nothing if it does not sign.
    std::optional<PublicKey> key;
    // Where this file lives, as its own hello tells the others.
    Home home;
    // Asked between two tries for the write lock that an app holds.
    std::function<bool(int waited_ms)> go_on_waiting = [](int) { return true; };
    Pulse* pulse = nullptr;  // told what it does; must outlive it
    // Told of every message that was absorbed, and asked whether the log is that of the
    // others; null: nobody is.
    LogWitness* witness = nullptr;
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

  // For a caller that was given nothing to absorb for a while: makes sure that the
  // log is still there, the same, and free. A broker that was given an older store,
  // or is held by `colony recover`, does not tell. Errors: those of step().
  void look_again();

  // Takes the SQLite file of a snapshot as the new base: the rows become those of
  // the snapshot and, on top of them, the transactions of this node that it does
  // not have. One SQLite transaction; it holds the write lock in proportion to what
  // differs. Nothing happens if the snapshot is not ahead of this file in its own
  // log. One of another log is taken if that log has come after this file's by
  // `colony recover` and the snapshot has all that this file has absorbed. Throws
  // Halt if not, or if it would replace rows that were never shared.
  void adopt(const std::string& snapshot_file);

  // How long the caller should let pass before the next step, for the app's sake.
  std::chrono::steady_clock::duration rest() const;

  Sequence position() const { return position_; }

 private:
  // What a transaction absorbed: told to the others once it is committed.
  struct Absorbed {
    std::size_t messages = 0;
    std::uint64_t bytes = 0;  // of the messages
    std::size_t work = 0;
    std::size_t not_entries = 0;
    std::size_t untrusted = 0;
    bool trust_changed = false;
    std::size_t own = 0;  // transactions that have left the outbox
    bool own_out_of_turn = false;
    std::map<std::string, Origin> origins;
    std::optional<std::pair<BarrierEntry, Sequence>> barrier;
  };

  void load();
  void meet_log();
  void check_log(const LogInfo& info);
  void check_not_cut(const LogInfo& info) const;
  void check_heir(NodeFile& base);
  const Origin* self() const;
  void check_membership();
  void check_name();
  void adopt_once(Database& base_db, NodeFile& base);
  void take_base(NodeFile& base, Rebase& rebase);
  void check_next(const Message& message);
  void answer_question();
  struct Round;
  class Lock;
  // However a step ends, it then waits for nothing.
  struct EndOfWait {
    Applier& applier;
    ~EndOfWait() { applier.lock_taken(); }
  };
  void index_outbox();
  void finish_index(bool may_index_more);
  void absorb();
  Absorbed absorb_once(std::size_t messages_max, bool may_index_more);
  void plan(Round& round, std::size_t messages_max);
  bool meet(Round& round, const PlannedMessage& plan) const;
  void undo_missed(MetTransactions& met) const;
  Absorbed execute(const Round& round, Rebase& rebase, std::chrono::steady_clock::time_point begin);
  void execute(const PlannedMessage& plan, Rebase& rebase, Absorbed& absorbed);
  void execute_leave(const Message& message, const LeaveEntry& leave, Absorbed& absorbed);
  void write_progress(const Absorbed& absorbed);
  void tell(Absorbed& absorbed);
  void tell_accepted();
  void tell_pace(std::size_t own_absorbed);
  bool others_wrote();
  bool wait_for_lock(int waited_ms);
  void lock_taken();
  void tell_behind();
  void tell_wait_for_entries();
  std::chrono::steady_clock::duration round_time() const;

  Database db_;
  NodeFile file_;
  ReplicatedSchema schema_;
  Fold fold_;
  ConflictJournal journal_;
  PendingTransactions pending_;
  OutboxIndex index_;
  Statement data_version_;  // moves with commits of other connections
  Log& log_;
  Progress& progress_;
  Status& status_;
  Options options_;
  Pulse own_pulse_;
  Pulse& pulse_;

  // Copies of what the file says; void when !loaded_.
  bool loaded_ = false;
  Sequence position_;
  std::uint64_t log_bytes_ = 0;             // up to position_
  std::optional<std::uint64_t> log_chain_;  // likewise
  std::vector<LogMark> absorbed_places_;    // of the round at hand
  std::map<std::string, Origin> origins_;
  std::string signing_trouble_;

  bool met_log_ = false;                   // and found that it is the one that the file remembers
  std::optional<std::uint64_t> question_;  // of the publisher, once head_ was looked up for it
  Sequence head_;
  bool introduced_ = false;        // this node's hello from here was seen since the start
  std::vector<Message> messages_;  // fetched and not yet absorbed

  RoundBudget budget_;
  Courtesy courtesy_;
  std::int64_t known_data_version_ = 0;
  std::chrono::steady_clock::time_point released_;  // when the latest commit let go of the lock
  WalKeeper wal_;
  StatementProgress goes_on_;
  std::chrono::steady_clock::time_point lock_wait_began_;
  bool lock_wait_told_ = false;
  bool behind_told_ = false;

  // What the rounds that were rolled back for it have missed, since the last that
  // was not.
  struct Missed {
    std::set<PieceNumber> transactions;  // to be undone too
    std::size_t messages_max = std::numeric_limits<std::size_t>::max();
    int rounds = 0;
  };
  Missed missed_;

  Sequence catching_up_from_;
  Pace pace_, own_pace_;
  std::uint64_t own_absorbed_ = 0;  // since the outbox was last empty
};

}  // namespace colony
