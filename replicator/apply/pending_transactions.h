// The transactions that wait in this node's outbox, in memory: in their order,
// and by what they touch. That finds those that an entry of somebody else meets
// without looking at the others.
//
// A mirror of committed outbox rows only, kept by the applier's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "replicator/fold/write_set.h"
#include "replicator/log/names.h"

namespace colony {

class PendingTransactions {
 public:
  void clear();

  // `last` is the last chunk of the transaction, and its name here; `work` is what
  // undoing or redoing it takes, in changes of a row.
  void add(ChunkNumber first, ChunkNumber last, WriteSet write_set, std::size_t work = 1);
  // A redo changed other rows than the transaction first did.
  void add_writes(ChunkNumber last, const WriteSet& write_set);
  void remove(ChunkNumber last);

  bool empty() const { return transactions_.empty(); }
  std::size_t size() const { return transactions_.size(); }
  ChunkNumber end() const { return end_; }  // the last chunk of the latest that was ever added
  bool contains(ChunkNumber last) const { return transactions_.contains(last); }
  ChunkNumber first_chunk(ChunkNumber last) const { return transactions_.at(last).first; }
  std::size_t work(ChunkNumber last) const { return transactions_.at(last).work; }
  const std::vector<std::uint64_t>& overlaps(ChunkNumber last) const;
  std::vector<ChunkNumber> all() const;

  // Calls with each that has this mark and is later than `after`, up to `until`.
  void for_each_later(std::uint64_t write, ChunkNumber after, ChunkNumber until,
                      const std::function<void(ChunkNumber last)>& call) const;

 private:
  struct Transaction {
    ChunkNumber first;
    std::size_t work = 0;
    WriteSet write_set;  // sorted; `asks` is empty when it equals `marks`, as it mostly does
  };
  std::map<ChunkNumber, Transaction> transactions_;
  std::set<std::pair<std::uint64_t, ChunkNumber>> by_write_;
  ChunkNumber end_;
};

inline constexpr ChunkNumber kNoEnd{~std::uint64_t{0}};  // later than any

// Those that must be undone before something may be applied: the transactions that
// it meets, and the later ones that meet these. Grows as more is asked; each
// transaction and each mark of one is looked at once.
class OverlappingTransactions {
 public:
  // `pending` must outlive it, and stay as it is.
  explicit OverlappingTransactions(const PendingTransactions& pending) : pending_(pending) {}

  // What meets `asks`.
  void ask(const std::vector<std::uint64_t>& overlaps);
  // This one, whether or not anything meets it.
  void add(ChunkNumber last);

  const std::set<ChunkNumber>& transactions() const { return overlapping_; }
  std::size_t work() const { return work_; }  // of undoing all of them

 private:
  void ask(std::uint64_t write, ChunkNumber after);
  void overlap(ChunkNumber last);
  void explore();

  const PendingTransactions& pending_;
  std::set<ChunkNumber> overlapping_;
  std::vector<ChunkNumber> unexplored_;
  std::size_t work_ = 0;
  // Per mark, from where on all that have it are met already.
  std::unordered_map<std::uint64_t, ChunkNumber> overlapping_after_;
};

}  // namespace colony
