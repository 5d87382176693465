#include "replicator/apply/round_plan.h"

#include "replicator/apply/own_chunks.h"

namespace colony {
namespace {

// Entries that are small on the way may be large in memory.
constexpr std::size_t kUnpackedBytesMax = 8u << 20;

std::size_t work_of(const PlannedMessage& message, const WriteSet& write_set) {
  constexpr std::size_t kBytesLikeARow = 512;
  return 1 + write_set.overlaps.size() + message.transactions.size() + message.message->data.size() / kBytesLikeARow;
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
    if (!overlap(i)) break;
    if (planned.barrier() != nullptr || planned.question() != nullptr) break;  // its position is to be seen
    if (planned.entry) unpacked += planned.entry->storage.size();
    if (unpacked > kUnpackedBytesMax) break;
    expected = expected.next();
  }
}

// Adds what the message touches and whom it meets. False if it cannot be told: the
// fold will meet the damage too, and tell which entry it is in.
bool RoundPlan::overlap(std::size_t message) {
  const PlannedMessage& planned = messages_[message];
  WriteSet write_set;
  try {
    for (std::size_t i = 0; i < planned.transactions.size(); ++i) {
      if (!planned.transactions[i].own) add_to_write_set(file_.schema, changesets(message)[i], write_set);
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
