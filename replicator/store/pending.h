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

#include "replicator/log/names.h"
#include "replicator/store/touched.h"

namespace colony {

class PendingTransactions {
 public:
  void clear();

  // `last` is the last piece of the transaction, and its name here; `work` is what
  // undoing or redoing it takes, in changes of a row.
  void add(PieceNumber first, PieceNumber last, Touched touched, std::size_t work = 1);
  // A redo changed other rows than the transaction first did.
  void add_marks(PieceNumber last, const Touched& touched);
  void remove(PieceNumber last);

  bool empty() const { return transactions_.empty(); }
  std::size_t size() const { return transactions_.size(); }
  PieceNumber end() const { return end_; }  // the last piece of the latest that was ever added
  bool contains(PieceNumber last) const { return transactions_.contains(last); }
  PieceNumber first_piece(PieceNumber last) const { return transactions_.at(last).first; }
  std::size_t work(PieceNumber last) const { return transactions_.at(last).work; }
  const std::vector<std::uint64_t>& asks(PieceNumber last) const;
  std::vector<PieceNumber> all() const;

  // Calls with each that has this mark and is later than `after`, up to `until`.
  void for_each_later(std::uint64_t mark, PieceNumber after, PieceNumber until,
                      const std::function<void(PieceNumber last)>& call) const;

 private:
  struct Transaction {
    PieceNumber first;
    std::size_t work = 0;
    Touched touched;  // sorted; `asks` is empty when it equals `marks`, as it mostly does
  };
  std::map<PieceNumber, Transaction> transactions_;
  std::set<std::pair<std::uint64_t, PieceNumber>> by_mark_;
  PieceNumber end_;
};

inline constexpr PieceNumber kNoEnd{~std::uint64_t{0}};  // later than any

// Those that must be undone before something may be applied: the transactions that
// it meets, and the later ones that meet these. Grows as more is asked; each
// transaction and each mark of one is looked at once.
class MetTransactions {
 public:
  // `pending` must outlive it, and stay as it is.
  explicit MetTransactions(const PendingTransactions& pending) : pending_(pending) {}

  // What meets `asks`.
  void ask(const std::vector<std::uint64_t>& asks);
  // This one, whether or not anything meets it.
  void add(PieceNumber last);

  const std::set<PieceNumber>& transactions() const { return met_; }
  std::size_t work() const { return work_; }  // of undoing all of them

 private:
  void ask(std::uint64_t mark, PieceNumber after);
  void meet(PieceNumber last);
  void explore();

  const PendingTransactions& pending_;
  std::set<PieceNumber> met_;
  std::vector<PieceNumber> unexplored_;
  std::size_t work_ = 0;
  // Per mark, from where on all that have it are met already.
  std::unordered_map<std::uint64_t, PieceNumber> met_after_;
};

}  // namespace colony
