// The applier's rounds: each is one write transaction that absorbs as much of the log as
// it has time for.
//
// What is new in the outbox is read before the write lock is taken. A round that should
// have undone more than it did is rolled back, and the next one makes up for it.
//
// Threads: the applier's. Errors: StoppedAt (see run()), Halt, SqliteError; the round has
// not happened then.
#pragma once

#include <chrono>
#include <vector>

#include "replicator/apply/absorption.h"
#include "replicator/apply/missed_transactions.h"
#include "replicator/apply/round_budget.h"
#include "replicator/file/write_turns.h"
#include "replicator/log/verified_entries.h"

namespace colony {

class Rounds {
 public:
  // How long a round should hold the write lock.
  struct Times {
    std::chrono::milliseconds usual;
    std::chrono::milliseconds beside_app;  // while an app writes too
  };

  enum class Outcome {
    kAbsorbed,       // and committed
    kMissed,         // rolled back: to be run again, once the app had its turn
    kPutBack,        // the file is no longer what it was when it was left: to be loaded
    kSchemaChanged,  // likewise, its schema
  };
  struct Result {
    Outcome outcome;
    Absorbed absorbed;  // if it was
  };

  // All must outlive it.
  Rounds(FoldedFile& file, WalKeeper& wal, WriteTurns& turns, Times times)
      : file_(file), wal_(wal), turns_(turns), times_(times) {}

  // One round with the first of `messages`, which come next in the log. Throws StoppedAt
  // if the very first cannot be applied; what comes before another such one is absorbed.
  Result run(const std::vector<Message>& messages);

  // The messages to come are others, or are read again.
  void forget_messages() { verified_.clear(); }
  // The file was loaded, too.
  void file_loaded();

 private:
  using Clock = WriteTurns::Clock;

  Absorbed absorb(const std::vector<Message>& messages, std::size_t messages_max, bool may_index_more);
  Clock::duration time() const { return turns_.app_writes() ? times_.beside_app : times_.usual; }

  FoldedFile& file_;
  WalKeeper& wal_;
  WriteTurns& turns_;
  const Times times_;
  RoundBudget budget_;
  VerifiedEntries verified_;
  MissedTransactions missed_;  // since the last round that was not rolled back for it
};

}  // namespace colony
