#include "replicator/store/pending.h"

#include <algorithm>

namespace colony {
namespace {

void sort_once_each(std::vector<std::uint64_t>& numbers) {
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
}

}  // namespace

void PendingTransactions::clear() {
  transactions_.clear();
  by_mark_.clear();
  end_ = PieceNumber();
}

void PendingTransactions::add(PieceNumber first, PieceNumber last, Touched touched, std::size_t work) {
  sort_once_each(touched.marks);
  sort_once_each(touched.asks);
  if (touched.asks == touched.marks) touched.asks.clear();
  touched.marks.shrink_to_fit();  // there may be a million of them
  touched.asks.shrink_to_fit();
  for (const std::uint64_t mark : touched.marks) by_mark_.emplace(mark, last);
  transactions_[last] = {first, work, std::move(touched)};
  end_ = std::max(end_, last);
}

void PendingTransactions::add_marks(PieceNumber last, const Touched& touched) {
  const Transaction& known = transactions_.at(last);
  Touched all = {known.touched.marks, asks(last)};
  all.marks.insert(all.marks.end(), touched.marks.begin(), touched.marks.end());
  all.asks.insert(all.asks.end(), touched.asks.begin(), touched.asks.end());
  const PieceNumber first = known.first;
  const std::size_t work = known.work;
  remove(last);
  add(first, last, std::move(all), work);
}

void PendingTransactions::remove(PieceNumber last) {
  const auto found = transactions_.find(last);
  if (found == transactions_.end()) return;
  for (const std::uint64_t mark : found->second.touched.marks) by_mark_.erase({mark, last});
  transactions_.erase(found);
}

const std::vector<std::uint64_t>& PendingTransactions::asks(PieceNumber last) const {
  const Touched& touched = transactions_.at(last).touched;
  return touched.asks.empty() ? touched.marks : touched.asks;
}

std::vector<PieceNumber> PendingTransactions::all() const {
  std::vector<PieceNumber> lasts;
  lasts.reserve(transactions_.size());
  for (const auto& [last, transaction] : transactions_) lasts.push_back(last);
  return lasts;
}

void PendingTransactions::for_each_later(std::uint64_t mark, PieceNumber after, PieceNumber until,
                                         const std::function<void(PieceNumber)>& call) const {
  const auto end = by_mark_.upper_bound({mark, until});
  for (auto it = by_mark_.upper_bound({mark, after}); it != end; ++it) call(it->second);
}

void MetTransactions::ask(const std::vector<std::uint64_t>& asks) {
  for (const std::uint64_t mark : asks) ask(mark, PieceNumber());
  explore();
}

void MetTransactions::add(PieceNumber last) {
  meet(last);
  explore();
}

void MetTransactions::meet(PieceNumber last) {
  if (!met_.insert(last).second) return;
  work_ += pending_.work(last);
  unexplored_.push_back(last);
}

void MetTransactions::ask(std::uint64_t mark, PieceNumber after) {
  const auto known = met_after_.try_emplace(mark, kNoEnd).first;
  if (known->second <= after) return;
  pending_.for_each_later(mark, after, known->second, [this](PieceNumber last) { meet(last); });
  known->second = after;
}

void MetTransactions::explore() {
  while (!unexplored_.empty()) {
    const PieceNumber last = unexplored_.back();
    unexplored_.pop_back();
    for (const std::uint64_t mark : pending_.asks(last)) ask(mark, last);
  }
}

}  // namespace colony
