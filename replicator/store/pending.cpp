#include "replicator/store/pending.h"

#include <algorithm>

namespace colony {

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
  for (const std::uint64_t mark : found->second.touched.marks) {
    const auto [begin, end] = by_mark_.equal_range(mark);
    for (auto it = begin; it != end; ++it) {
      if (it->second == last) {
        by_mark_.erase(it);
        break;
      }
    }
  }
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
  const auto ask = [&](std::uint64_t mark, PieceNumber after) {
    const auto [begin, end] = by_mark_.equal_range(mark);
    for (auto it = begin; it != end; ++it) {
      if (it->second > after && met.insert(it->second).second) unexplored.push_back(it->second);
    }
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
  const auto [begin, end] = by_mark_.equal_range(mark);
  return std::any_of(begin, end,
                     [&](const auto& entry) { return entry.second > after && !except.contains(entry.second); });
}

}  // namespace colony
