#include "replicator/apply/pending_transactions.h"

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
  by_write_.clear();
  schema_changes_.clear();
  end_ = ChunkNumber();
}

void PendingTransactions::add(ChunkNumber first, ChunkNumber last, WriteSet write_set, std::size_t work,
                              Schema schema) {
  if (!schema.changes.empty()) schema_changes_[last] = std::move(schema);
  sort_once_each(write_set.writes);
  sort_once_each(write_set.overlaps);
  if (write_set.overlaps == write_set.writes) write_set.overlaps.clear();
  write_set.writes.shrink_to_fit();  // there may be a million of them
  write_set.overlaps.shrink_to_fit();
  for (const std::uint64_t write : write_set.writes) by_write_.emplace(write, last);
  transactions_[last] = {first, work, std::move(write_set)};
  end_ = std::max(end_, last);
}

void PendingTransactions::add_writes(ChunkNumber last, const WriteSet& write_set) {
  const Transaction& known = transactions_.at(last);
  WriteSet all = {known.write_set.writes, overlaps(last)};
  all.writes.insert(all.writes.end(), write_set.writes.begin(), write_set.writes.end());
  all.overlaps.insert(all.overlaps.end(), write_set.overlaps.begin(), write_set.overlaps.end());
  const ChunkNumber first = known.first;
  const std::size_t work = known.work;
  remove_rows(last);
  add(first, last, std::move(all), work);
}

std::optional<ChunkNumber> PendingTransactions::first_schema_change() const {
  for (const auto& [last, schema] : schema_changes_) {
    if (!schema.matched) return last;
  }
  return std::nullopt;
}

std::optional<ChunkNumber> PendingTransactions::latest_schema_change() const {
  if (schema_changes_.empty()) return std::nullopt;
  return schema_changes_.rbegin()->first;
}

bool PendingTransactions::has_blocking_schema_change() const {
  return std::any_of(schema_changes_.begin(), schema_changes_.end(), [](const auto& of) { return of.second.blocks; });
}

std::map<std::string, std::size_t> PendingTransactions::added_columns(
    const std::function<bool(ChunkNumber)>& counts) const {
  std::map<std::string, std::size_t> added;
  for (const auto& [last, schema] : schema_changes_) {
    if (schema.matched || !counts(last)) continue;
    for (const SchemaChange& change : schema.changes) {
      if (change.kind == SchemaChange::Kind::kAddColumn) ++added[change.name];
    }
  }
  return added;
}

const PendingTransactions::Schema* PendingTransactions::schema(ChunkNumber last) const {
  const auto found = schema_changes_.find(last);
  return found == schema_changes_.end() ? nullptr : &found->second;
}

void PendingTransactions::remove(ChunkNumber last) {
  schema_changes_.erase(last);
  remove_rows(last);
}

void PendingTransactions::remove_rows(ChunkNumber last) {
  const auto found = transactions_.find(last);
  if (found == transactions_.end()) return;
  for (const std::uint64_t write : found->second.write_set.writes) by_write_.erase({write, last});
  transactions_.erase(found);
}

const std::vector<std::uint64_t>& PendingTransactions::overlaps(ChunkNumber last) const {
  const WriteSet& write_set = transactions_.at(last).write_set;
  return write_set.overlaps.empty() ? write_set.writes : write_set.overlaps;
}

std::vector<ChunkNumber> PendingTransactions::all() const {
  std::vector<ChunkNumber> lasts;
  lasts.reserve(transactions_.size());
  for (const auto& [last, transaction] : transactions_) lasts.push_back(last);
  return lasts;
}

void PendingTransactions::for_each_later(std::uint64_t write, ChunkNumber after, ChunkNumber until,
                                         const std::function<void(ChunkNumber)>& call) const {
  const auto end = by_write_.upper_bound({write, until});
  for (auto it = by_write_.upper_bound({write, after}); it != end; ++it) call(it->second);
}

void OverlappingTransactions::ask(const std::vector<std::uint64_t>& overlaps) {
  for (const std::uint64_t write : overlaps) ask(write, ChunkNumber());
  explore();
}

void OverlappingTransactions::add(ChunkNumber last) {
  overlap(last);
  explore();
}

void OverlappingTransactions::overlap(ChunkNumber last) {
  if (!overlapping_.insert(last).second) return;
  work_ += pending_.work(last);
  unexplored_.push_back(last);
}

void OverlappingTransactions::ask(std::uint64_t write, ChunkNumber after) {
  const auto known = overlapping_after_.try_emplace(write, kNoEnd).first;
  if (known->second <= after) return;
  pending_.for_each_later(write, after, known->second, [this](ChunkNumber last) { overlap(last); });
  known->second = after;
}

void OverlappingTransactions::explore() {
  while (!unexplored_.empty()) {
    const ChunkNumber last = unexplored_.back();
    unexplored_.pop_back();
    for (const std::uint64_t write : pending_.overlaps(last)) ask(write, last);
  }
}

}  // namespace colony
