// The applier: reads the log in its order and absorbs it into the file.
//
//   a node's rows = fold(the log up to position) + its pending transactions
//
// Each round is one SQLite transaction in which rows, position, version vector
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
// next step() begins by reading everything anew, but for the outbox.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "replicator/apply/absorption.h"
#include "replicator/apply/log_validation.h"
#include "replicator/apply/own_name.h"
#include "replicator/apply/round_budget.h"
#include "replicator/apply/snapshot_install.h"
#include "replicator/cluster/divergence_detector.h"
#include "replicator/file/wal_keeper.h"
#include "replicator/file/write_turns.h"
#include "replicator/publish/publish_permit.h"
#include "replicator/status/loop_progress.h"
#include "replicator/status/replication_lag.h"
#include "replicator/status/status.h"
#include "replicator/store/statement_progress.h"

namespace colony {

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
    // Whether a file that has met nobody yet is kept from going on in a colony that others
    // have begun: step() then throws BaseUnknown, until install() or trust_own_base().
    bool asks_for_base = false;
    LoopProgress* loop_progress = nullptr;  // told what it does; must outlive it
    // Told of every message that was absorbed, and asked whether the log is that of the
    // others; null: nobody is.
    DivergenceDetector* divergence = nullptr;
    // Called right after the commit that moved the file to a barrier's position:
    // what a reader now sees is the fold up to there and the pending transactions.
    std::function<void(const BarrierEntry&, Sequence)> on_barrier = [](const BarrierEntry&, Sequence) {};
    // The same for a question about shares of the rows, unless the file has missed so much
    // that it is catching up.
    std::function<void(const QuestionEntry&, Sequence)> on_question = [](const QuestionEntry&, Sequence) {};
  };

  // Opens the file; throws Error if it is not a colony's.
  Applier(const std::string& path, Log& log, PublishPermit& permit, Status& status, Options options);

  // Any thread: makes a long round end with an SqliteError, undone.
  void interrupt() { sqlite3_interrupt(file_.db.handle()); }

  // One round: waits up to `wait` for the log to have something new, and absorbs
  // it. True if the position moved.
  bool step(std::chrono::milliseconds wait);

  // For a caller that was given nothing to absorb for a while: makes sure that the
  // log is still there, the same, and free. A broker that was given an older store,
  // or is held by `colony recover`, does not tell. Errors: those of step().
  void look_again();

  // Installs a snapshot, given as an SQLite file (snapshot_install.h).
  void install(const std::string& snapshot_file, OwnRows own_rows = OwnRows::kRefuse);

  // Whether the file has ever absorbed anybody's hello; as of the latest step().
  bool has_met_colony() { return file_.log_state.has_met_colony(); }
  // The rows of a file that has not are those on which the colony was begun.
  void trust_own_base() { trusts_own_base_ = true; }

  // How long the caller should let pass before the next step, for the app's sake.
  std::chrono::steady_clock::duration rest() const;

  Sequence position() const { return file_.log_state.position; }

  // After a Halt: whether the schema, or the entry that could not be applied, is another
  // one since. Cheaper than to try, which may take long.
  bool is_worth_another_try();

  // Another one whenever somebody else has committed to the file.
  std::int64_t file_version() { return file_.db.query_integer("PRAGMA data_version"); }

  // How many chunks of the outbox were read since the start.
  std::uint64_t chunks_read() const { return file_.chunks_read(); }

 private:
  using Clock = std::chrono::steady_clock;

  // However a step ends, it then waits for nothing.
  struct EndOfWait {
    WriteTurns& turns;
    ~EndOfWait() { turns.end_wait(); }
  };

  bool keep_wal_short();
  void load();
  void load_schema();
  void settle_schema();
  void meet_log();
  [[noreturn]] void distrust_and_rethrow();
  void answer_question();
  void tell_running();
  bool fetch(std::chrono::milliseconds wait);
  bool is_behind() const;
  void tell_wait_for_entries();
  void absorb();
  Absorbed absorb_once(std::size_t messages_max, bool may_index_more);
  void tell(const Absorbed& absorbed);
  void tell_accepted();
  Clock::duration round_time() const;

  FoldedFile file_;
  Log& log_;
  PublishPermit& permit_;
  Status& status_;
  Options options_;
  LoopProgress own_loop_progress_;
  LoopProgress& loop_progress_;
  WalKeeper wal_;
  WriteTurns turns_;
  StatementProgress goes_on_;
  LogValidation log_validation_;
  OwnName own_name_;
  ReplicationLag lag_;

  bool schema_is_broken_ = false;  // as of the latest load()
  bool loaded_ = false;            // what file_ has copies of
  bool trusts_own_base_ = false;
  bool is_alone_ = false;                  // may send, and has met nobody yet
  bool met_log_ = false;                   // and found that it is the one that the file remembers
  std::string signing_trouble_;            // as of the keys that the file trusts
  std::optional<std::uint64_t> question_;  // of the publisher, once head_ was looked up for it
  Sequence head_;
  std::vector<Message> messages_;  // fetched and not yet absorbed
  VerifiedEntries verified_;       // of these
  RoundBudget budget_;
  std::optional<ChainedPosition> stopped_at_;  // what could not be applied, and its hash
  MissedTransactions missed_;                  // since the last round that was not rolled back for it
};

}  // namespace colony
