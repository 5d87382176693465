// What one write transaction of the applier is to do: which messages it takes in, and
// which pending transactions it undoes for them. Decided before any row is touched.
//
// Threads: the applier's, under the write lock.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "replicator/apply/folded_file.h"
#include "replicator/apply/missed_transactions.h"
#include "replicator/apply/planned_changesets.h"
#include "replicator/apply/planner.h"
#include "replicator/apply/round_budget.h"

namespace colony {

// What of the log could not be applied, at the message where it stands. Everything
// before that message can be.
struct StoppedAt {
  std::size_t message;
  std::string why;
};

class RoundPlan {
 public:
  // `file`, whose index is up to date, and `verified` must outlive it.
  RoundPlan(FoldedFile& file, const VerifiedEntries& verified, const MissedTransactions& missed);

  // Takes in the first of `messages`, up to `messages_max` of them and as many as have
  // room in `budget` for a round of `time`. They must outlive the plan. Throws
  // StoppedAt, for an entry that nobody may ignore and that cannot be read.
  void take_in(const std::vector<Message>& messages, std::size_t messages_max, const RoundBudget& budget,
               RoundBudget::Duration time);

  const std::vector<PlannedMessage>& messages() const { return messages_; }
  // The changesets of the transactions of a message of the plan.
  const std::vector<ChangesetView>& changesets(std::size_t message) const { return changesets_[message].all(); }
  // What applying a message of the plan takes, in changes of a row of ordinary size.
  std::size_t work(std::size_t message) const { return work_[message]; }
  // Whether all that is pending is undone, what it has done to the schema too: for a message
  // that changes the schema, or for rows beneath such a change of this node.
  bool changes_schema() const { return changes_schema_; }
  // The pending transaction that makes the same change of the schema as its one message.
  const std::optional<ChunkNumber>& matched() const { return matched_; }
  // The pending transactions to undo.
  const OverlappingTransactions& overlapping() const { return overlapping_; }

 private:
  bool overlap(std::size_t message);
  void undo_all();
  void plan_schema_change(const SchemaChanges& changes);
  bool is_matched_own(const PlannedMessage& message) const;

  FoldedFile& file_;
  const VerifiedEntries& verified_;
  std::vector<PlannedMessage> messages_;
  std::vector<PlannedChangesets> changesets_;  // of each
  std::vector<std::size_t> work_;              // likewise
  std::size_t work_sum_ = 0;
  bool changes_schema_ = false;
  std::optional<ChunkNumber> matched_;
  OverlappingTransactions overlapping_;
};

}  // namespace colony
