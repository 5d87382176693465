// The transactions that wait in this node's outbox, in memory: in their order,
// and by what they touch. That finds those that an entry of somebody else meets
// without looking at the others.
//
// A mirror of committed outbox rows only, kept by the applier's thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "replicator/log/names.h"
#include "replicator/store/touched.h"

namespace colony {

class PendingTransactions {
 public:
  void clear();

  // `last` is the last piece of the transaction, and its name here.
  void add(PieceNumber first, PieceNumber last, Touched touched);
  // A redo changed other rows than the transaction first did.
  void add_marks(PieceNumber last, const Touched& touched);
  void remove(PieceNumber last);

  bool empty() const { return transactions_.empty(); }
  PieceNumber end() const { return end_; }  // the last piece of the latest that was ever added
  PieceNumber first_piece(PieceNumber last) const { return transactions_.at(last).first; }
  std::vector<PieceNumber> all() const;

  // Those that must be undone before something that asks `asks` may be applied:
  // the transactions that it meets, and the later ones that meet these. In order.
  std::set<PieceNumber> met_by(const std::vector<std::uint64_t>& asks) const;

  // Whether one that is later than `after` and not in `except` has this mark.
  bool knows(std::uint64_t mark, PieceNumber after, const std::set<PieceNumber>& except) const;

 private:
  struct Transaction {
    PieceNumber first;
    Touched touched;
  };
  std::map<PieceNumber, Transaction> transactions_;
  std::set<std::pair<std::uint64_t, PieceNumber>> by_mark_;
  PieceNumber end_;
};

}  // namespace colony
