// The file as the applier works on it: its rows by way of the fold, Colony's own
// records, what waits in the outbox, and copies of what the file says it has absorbed.
//
// Threads: the applier's. Errors: SqliteError; ChangesetError for an outbox that cannot
// be read; Halt for a schema that cannot be replicated. After an error the copies are
// void, until load().
#pragma once

#include <optional>
#include <string>

#include "replicator/apply/log_state.h"
#include "replicator/apply/outbox_index.h"
#include "replicator/apply/pending_transactions.h"
#include "replicator/apply/rebase.h"
#include "replicator/fold/conflict.h"
#include "replicator/fold/fold.h"
#include "replicator/store/node_file.h"
#include "replicator/wal/own_transaction.h"
#include "replicator/wal/session_audit.h"

namespace colony {

class FoldedFile {
 public:
  // Throws Error if it is not a colony's. Transactions that are too large for memory
  // spill to beside the file if it is not said where else.
  // `capture`, null in session mode, and `audit`, null in wal mode or where nothing is watched, must
  // outlive it.
  FoldedFile(const std::string& path, const std::optional<SpillSettings>& spill, WalCapture* capture = nullptr,
             SessionAudit* audit = nullptr);

  // Reads everything anew, but for the outbox if that is what it was: much may wait there.
  void load();
  // Of all that only the schema, once that is another one. Not in a transaction: triggers
  // are made for it, which a rollback would take back.
  void load_schema();
  // The outbox, too, at the next load().
  void forget_outbox() { index_.clear(); }
  // How many chunks of it were read since this object was made.
  std::uint64_t chunks_read() const { return index_.chunks_read(); }

  // Whether somebody has written an earlier state of the file into it since load(), as
  // SQLite's .restore does, or rows of another kind, as `colony repair` does. In a
  // transaction.
  bool was_put_back();

  // Whether the tables have been changed since load().
  bool has_another_schema();

  // Before the write-ahead log is copied: who watches it reads to its end, and needs nothing before.
  void release_log();

  // Brings the index of the outbox up to date slice by slice, however much the app has
  // committed. Before the write lock is taken: the app can go on meanwhile.
  void index_outbox();
  // The same for what came since, under the write lock, where nothing can come in
  // between. False if that is so much that index_outbox() has to be called again. Throws
  // Halt for a transaction that the tables have no place for any more.
  bool index_rest_of_outbox();

  // For one write transaction.
  Rebase rebase() { return {records, fold, schema, journal, pending}; }

  WalCapture* const capture;  // for each OwnTransaction
  SessionAudit* const audit;
  Database db;
  NodeFile records;
  ReplicatedSchema schema;
  Fold fold;
  ConflictJournal journal;
  PendingTransactions pending;

  LogState log_state;  // as `records` has it

 private:
  void load_log_state();

  OutboxIndex index_;
  std::int64_t repairs_ = 0;
};

}  // namespace colony
