// What a node has noted of its pending transactions and of conflicts, made to fit rows
// that were repaired: what each of the transactions has changed (its effect), so that it
// can be undone, and the conflict journal.
//
// Notes can be wrong where no row differs any more: a row that was lost, say, was not
// displaced by a pending transaction, as it must have been.
//
// Threads: those of the two connections. Errors: SqliteError, SpillError.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "replicator/store/node_file.h"

namespace colony {

struct NoteDifference {
  std::uint64_t effects = 0;    // of so many pending transactions
  std::uint64_t conflicts = 0;  // lines of the journal that only one side has

  bool any() const { return effects + conflicts > 0; }
};

class RepairNotes {
 public:
  // Which notes: of all tables, or of these alone; the rows of others are what they were,
  // and of those conflicts only the ones of pending transactions. `expected` is at the
  // position of `file`, with the same transactions pending. All must outlive it.
  RepairNotes(Database& db, NodeFile& file, Database& expected_db, NodeFile& expected, std::set<std::string> tables,
              bool all);

  // What differs from what `expected` has.
  NoteDifference count();

  // Makes them what `expected` has, within a write transaction.
  void repair();

 private:
  bool same_changes(Spill& mine, Spill& theirs) const;
  std::multiset<std::string> conflicts_of(Database& db) const;
  void repair_effect(ChunkNumber first, ChunkNumber last);
  void repair_journal();
  void repair_pending_conflicts();

  Database& db_;
  NodeFile& file_;
  Database& expected_db_;
  NodeFile& expected_;
  const std::set<std::string> tables_;
  const bool all_;
};

}  // namespace colony
