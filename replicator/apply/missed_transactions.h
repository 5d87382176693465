// The pending transactions that rounds should have undone and did not, which came out
// when these were half-way done and rolled back. The next rounds undo them too.
//
// Threads: one.
#pragma once

#include <cstddef>
#include <limits>
#include <set>

#include "replicator/apply/pending_transactions.h"

namespace colony {

class MissedTransactions {
 public:
  // Thrown to roll a round back.
  struct Found {
    std::set<ChunkNumber> transactions;
    std::size_t messages;  // that the round had taken in
  };

  void add(const Found& found) {
    transactions_.insert(found.transactions.begin(), found.transactions.end());
    messages_max_ = found.messages;
    ++rounds_;
  }

  // How many messages a round should take in: those that it was rolled back for.
  std::size_t messages_max() const { return messages_max_; }

  // Adds those of `pending` that are to be undone too; all, after too many rounds that
  // have missed some. Undoing more than is met is never wrong, only more work.
  void add_to(OverlappingTransactions& overlapping, const PendingTransactions& pending) const {
    constexpr int kRoundsMax = 8;
    if (rounds_ >= kRoundsMax) {
      for (const ChunkNumber last : pending.all()) overlapping.add(last);
    }
    for (const ChunkNumber last : transactions_) {
      if (pending.contains(last)) overlapping.add(last);
    }
  }

 private:
  std::set<ChunkNumber> transactions_;
  std::size_t messages_max_ = std::numeric_limits<std::size_t>::max();
  int rounds_ = 0;
};

}  // namespace colony
