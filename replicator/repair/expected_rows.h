// What the rows of a node's file must be: a snapshot of the colony, the log from there up
// to the file's position, and the file's pending transactions on top.
//
// Made in a scratch file. The log's part is committed there; the pending transactions are
// put on top within a transaction that is never committed, and taken off again when the
// scratch file has to follow the log. So that file and scratch file can be compared while
// programs and sidecar go on, in read transactions or under the file's write lock.
//
// Threads: one. Errors: Error with one line when there is no answer; LogUnavailable,
// Interrupted, SqliteError.
#pragma once

#include <set>
#include <string>

#include "replicator/apply/pending_transactions.h"
#include "replicator/fold/conflict.h"
#include "replicator/fold/fold.h"
#include "replicator/log/log.h"
#include "replicator/snapshots/snapshot_maker.h"
#include "replicator/store/node_file.h"

namespace colony {

class ExpectedRows {
 public:
  // `base`: the SQLite file of a snapshot, to be written to. Its tables get the columns that
  // `of` has at their end and the log says nothing of. `log`, null if there is none, and `of` must
  // outlive it.
  ExpectedRows(const std::string& base, Database& of, Log* log, GoOn go_on);
  ~ExpectedRows();

  // Brings the rows to the position and the pending transactions of the file, as its open
  // transaction sees them. Takes no time to speak of if is_at() and little has become
  // pending since the last time.
  void follow(NodeFile& of);
  bool is_at(Sequence position) { return records_.position() == position; }

  Database& db() { return db_; }
  const ReplicatedSchema& schema() const { return schema_; }
  // The node's, as they must be: effects of its pending transactions, and their conflicts.
  NodeFile& records() { return records_; }

 private:
  void check_is_of_same_log(NodeFile& of);
  void replay(Sequence target);
  void take_off_pending();
  void put_on_pending(NodeFile& of);
  std::set<ChunkNumber> copy_outbox(NodeFile& of);

  Database& of_;
  Log* const log_;
  const GoOn go_on_;
  Database db_;
  NodeFile records_;
  ReplicatedSchema schema_;
  Fold fold_;
  ConflictJournal journal_;
  PendingTransactions pending_;
};

}  // namespace colony
