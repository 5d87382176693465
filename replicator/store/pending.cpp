#include "replicator/store/pending.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

namespace colony {
namespace {

constexpr PieceNumber kLastPiece{std::numeric_limits<std::uint64_t>::max()};

}  // namespace

void PendingTransactions::clear() {
  transactions_.clear();
  by_mark_.clear();
  end_ = PieceNumber();
}

void PendingTransactions::add(PieceNumber first, PieceNumber last, Touched touched) {
  auto& marks = touched.marks;
  std::sort(marks.begin(), marks.end());
  marks.erase(std::unique(marks.begin(), marks.end()), marks.end());
  for (const std::uint64_t mark : marks) by_mark_.emplace(mark, last);
  transactions_[last] = {first, std::move(touched)};
  end_ = std::max(end_, last);
}

void PendingTransactions::add_marks(PieceNumber last, const Touched& touched) {
  Touched all = transactions_.at(last).touched;
  all.marks.insert(all.marks.end(), touched.marks.begin(), touched.marks.end());
  all.asks.insert(all.asks.end(), touched.asks.begin(), touched.asks.end());
  const PieceNumber first = first_piece(last);
  remove(last);
  add(first, last, std::move(all));
}

void PendingTransactions::remove(PieceNumber last) {
  const auto found = transactions_.find(last);
  if (found == transactions_.end()) return;
  for (const std::uint64_t mark : found->second.touched.marks) by_mark_.erase({mark, last});
  transactions_.erase(found);
}

std::vector<PieceNumber> PendingTransactions::all() const {
  std::vector<PieceNumber> lasts;
  for (const auto& [last, transaction] : transactions_) lasts.push_back(last);
  return lasts;
}

std::set<PieceNumber> PendingTransactions::met_by(const std::vector<std::uint64_t>& asks) const {
  std::set<PieceNumber> met;
  std::vector<PieceNumber> unexplored;
  // Per mark, from where on all that have it are met already: each is looked at
  // once, however many transactions touch the same row.
  std::unordered_map<std::uint64_t, PieceNumber> met_after;
  const auto ask = [&](std::uint64_t mark, PieceNumber after) {
    const auto [known, fresh] = met_after.try_emplace(mark, after);
    if (!fresh && known->second <= after) return;
    const auto end = fresh ? by_mark_.upper_bound({mark, kLastPiece}) : by_mark_.upper_bound({mark, known->second});
    for (auto it = by_mark_.upper_bound({mark, after}); it != end; ++it) {
      if (met.insert(it->second).second) unexplored.push_back(it->second);
    }
    known->second = after;
  };
  for (const std::uint64_t mark : asks) ask(mark, PieceNumber());
  while (!unexplored.empty()) {
    const PieceNumber last = unexplored.back();
    unexplored.pop_back();
    for (const std::uint64_t mark : transactions_.at(last).touched.asks) ask(mark, last);
  }
  return met;
}

bool PendingTransactions::knows(std::uint64_t mark, PieceNumber after, const std::set<PieceNumber>& except) const {
  for (auto it = by_mark_.upper_bound({mark, after}); it != by_mark_.end() && it->first == mark; ++it) {
    if (!except.contains(it->second)) return true;
  }
  return false;
}

}  // namespace colony
