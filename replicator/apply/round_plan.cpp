#include "replicator/apply/round_plan.h"

#include "replicator/apply/own_chunks.h"
#include "sqlite_ext/schema_change.h"

namespace colony {
namespace {

// Entries that are small on the way may be large in memory.
constexpr std::size_t kUnpackedBytesMax = 8u << 20;

std::size_t work_of(const PlannedMessage& message, const WriteSet& write_set) {
  constexpr std::size_t kBytesLikeARow = 512;
  return 1 + write_set.overlaps.size() + message.transactions.size() + message.message->data.size() / kBytesLikeARow;
}

// What somebody else's transactions in it do to the schema.
SchemaChanges schema_changes_of(const PlannedMessage& message, const std::vector<ChangesetView>& changesets) {
  SchemaChanges changes;
  for (std::size_t i = 0; i < changesets.size(); ++i) {
    if (message.transactions[i].own || !begins_with_schema(changesets[i].bytes)) continue;
    const SchemaChanges more = split_schema(changesets[i]).schema;
    changes.insert(changes.end(), more.begin(), more.end());
  }
  return changes;
}

}  // namespace

RoundPlan::RoundPlan(FoldedFile& file, const VerifiedEntries& verified, const MissedTransactions& missed)
    : file_(file), verified_(verified), overlapping_(file.pending) {
  missed.add_to(overlapping_, file.pending);
}

void RoundPlan::take_in(const std::vector<Message>& messages, std::size_t messages_max, const RoundBudget& budget,
                        RoundBudget::Duration time) {
  Planner planner(file_.log_state, file_.records.identity(), file_.records.outbox_end(), verified_);
  Sequence expected = file_.log_state.position.next();
  std::size_t unpacked = 0;
  const bool blocked = file_.pending.has_blocking_schema_change();
  for (std::size_t i = 0; i < messages_max && messages[i].sequence == expected; ++i) {
    if (!budget.has_room(time, i, static_cast<double>(work_sum_), static_cast<double>(overlapping_.work()))) break;
    try {
      messages_.push_back(planner.plan(messages[i]));
      check_own_chunks(file_.records, messages_.back());
    } catch (const Halt& halt) {
      throw StoppedAt{i, halt.what()};
    }
    const PlannedMessage& planned = messages_.back();
    changesets_.emplace_back(file_.records, planned);
    const SchemaChanges changes = schema_changes_of(planned, changesets(i));
    const bool is_matched = is_matched_own(planned);
    if (!changes.empty() || is_matched) {
      if (i > 0) {  // it has a round of its own
        messages_.pop_back();
        changesets_.pop_back();
        break;
      }
      is_matched ? undo_all() : plan_schema_change(changes);
      overlap(i);
      break;
    }
    if (blocked && !planned.transactions.empty() && !planned.transactions.front().own) undo_all();
    if (!overlap(i)) break;
    if (planned.barrier() != nullptr || planned.question() != nullptr) break;  // its position is to be seen
    if (planned.entry) unpacked += planned.entry->storage.size();
    if (unpacked > kUnpackedBytesMax) break;
    expected = expected.next();
  }
  // Nothing is taken out from beneath such a change without the change itself.
  if (blocked && !overlapping_.transactions().empty()) undo_all();
}

// Everybody may run the same migration: what this node has made already, as its first change
// that the log does not have, is not taken back for it.
void RoundPlan::plan_schema_change(const SchemaChanges& changes) {
  const std::optional<ChunkNumber> first = file_.pending.first_schema_change();
  if (first && file_.pending.schema(*first)->changes == changes && !file_.pending.has_blocking_schema_change()) {
    matched_ = first;
    return;
  }
  undo_all();
}

// At its own place in the log a change that others had made before counts as it does on all
// other nodes.
bool RoundPlan::is_matched_own(const PlannedMessage& message) const {
  for (const PlannedTransaction& transaction : message.transactions) {
    const PendingTransactions::Schema* const schema =
        transaction.own ? file_.pending.schema(transaction.last) : nullptr;
    if (schema != nullptr && schema->matched) return true;
  }
  return false;
}

void RoundPlan::undo_all() {
  changes_schema_ = true;
  for (const ChunkNumber last : file_.pending.all()) overlapping_.add(last);
}

// Adds what the message touches and whom it meets. False if it cannot be told: the
// fold will meet the damage too, and tell which entry it is in.
bool RoundPlan::overlap(std::size_t message) {
  const PlannedMessage& planned = messages_[message];
  WriteSet write_set;
  try {
    for (std::size_t i = 0; i < planned.transactions.size(); ++i) {
      const PlannedTransaction& transaction = planned.transactions[i];
      if (transaction.own) continue;
      add_to_write_set(file_.schema, changesets(message)[i], write_set, transaction.shape);
    }
  } catch (const ChangesetError&) {
    work_.push_back(1);
    return false;
  }
  work_.push_back(work_of(planned, write_set));
  work_sum_ += work_.back();
  if (!file_.pending.empty()) overlapping_.ask(write_set.overlaps);
  return true;
}

}  // namespace colony
