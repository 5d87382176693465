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

#include "replicator/apply/applier_observer.h"
#include "replicator/apply/lateness.h"
#include "replicator/apply/log_validation.h"
#include "replicator/apply/own_migration.h"
#include "replicator/apply/publish_clearance.h"
#include "replicator/apply/rounds.h"
#include "replicator/apply/snapshot_install.h"
#include "replicator/file/wal_keeper.h"
#include "replicator/file/write_turns.h"
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
    // Asked now and then while a snapshot is installed; false makes that end with Interrupted.
    std::function<bool()> go_on = [] { return true; };
    // Whether a file that has met nobody yet is kept from going on in a colony that others
    // have begun: step() then throws BaseUnknown, until install() or trust_own_base().
    bool asks_for_base = false;
    // Captures what programs commit to a file in wal mode; null in session mode. Must outlive it.
    WalCapture* capture = nullptr;
    // Watches that all is captured in session mode; null: nothing does. Must outlive it.
    SessionAudit* audit = nullptr;
    // How long after a change of the schema by this node those of others wait: see OwnMigration.
    std::chrono::milliseconds migration_pause{0};
  };

  // Opens the file; throws Error if it is not a colony's. `log` and `observer` must
  // outlive it.
  Applier(const std::string& path, Log& log, ApplierObserver& observer, Options options);

  // Any thread: makes a long round end with an SqliteError, undone.
  void interrupt() { sqlite3_interrupt(file_.db.handle()); }

  // What programs have committed is in the outbox afterwards: in wal mode, and where it is watched.
  void capture_committed();
  // Begins a read transaction of a captured state on another connection. Between two rounds, or from
  // what the observer is told of one.
  void begin_captured_read(Database& reader) { colony::begin_captured_read(reader, file_.db, file_.capture); }

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
  bool has_met_colony() const { return file_.log_state.has_met_colony(); }
  // The rows of a file that has not are those on which the colony was begun.
  void trust_own_base() { clearance_.trust_own_base(); }

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
  bool fetch(std::chrono::milliseconds wait);
  bool is_behind() const;
  void tell_wait_for_entries();
  bool waits_for_own_migration(std::chrono::milliseconds wait);
  void absorb();
  void tell_lock_wait(ApplierObserver::Since since);
  void begin(const char* step) { observer_.progressed({LoopMark::kBegins, step}); }

  FoldedFile file_;
  Log& log_;
  ApplierObserver& observer_;
  const Options options_;
  WalKeeper wal_;
  WriteTurns turns_;
  StatementProgress goes_on_;
  LogValidation log_validation_;
  PublishClearance clearance_;
  Rounds rounds_;
  Lateness lateness_;
  OwnMigration own_migration_;

  bool schema_is_broken_ = false;              // as of the latest load()
  bool loaded_ = false;                        // what file_ has copies of
  bool met_log_ = false;                       // and found that it is the one that the file remembers
  std::vector<Message> messages_;              // fetched and not yet absorbed
  std::optional<ChainedPosition> stopped_at_;  // what could not be applied, and its hash
};

}  // namespace colony
