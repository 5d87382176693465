#include "replicator/wal/change_comparison.h"

#include <xxhash.h>

#include <utility>

namespace colony {
namespace {

std::uint64_t hash_of(std::string_view bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::uint64_t hash_of(const RowKey& key) { return hash_of(key.values, hash_of(key.table, 0)); }

std::vector<std::string> encoded(const std::vector<Value>& values) {
  std::vector<std::string> all(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i].defined()) append_value(all[i], values[i]);
  }
  return all;
}

}  // namespace

RowKey key_of(const ChangesetTable& table, const Change& change) {
  RowKey key{table.name, {}};
  for (std::size_t i = 0; i < table.columns(); ++i) {
    if (table.key[i] != 0) append_value(key.values, change.key_value(i));
  }
  return key;
}

RowChange owned(const Change& change) { return {change.op, encoded(change.before), encoded(change.after)}; }

std::vector<Value> decoded(const std::vector<std::string>& values) {
  std::vector<Value> all;
  for (std::string_view value : values) all.push_back(value.empty() ? Value{} : take_value(value));
  return all;
}

ChangeComparison::ChangeComparison(ChangesetView pages, ChangesetView outbox, Wanted wanted)
    : pages_(pages), outbox_(outbox), wanted_(std::move(wanted)), equal_(sum(pages_) == sum(outbox_)) {}

template <class Visit>
void ChangeComparison::for_each(ChangesetView changeset, Visit&& visit) const {
  ChangesetReader reader(changeset);
  Change change;
  std::size_t tables = 0;
  bool is_wanted = false;
  while (reader.next(change)) {
    if (std::exchange(tables, reader.tables_begun()) != reader.tables_begun()) {
      is_wanted = wanted_(reader.table().name);
    }
    if (is_wanted) visit(reader, change);
  }
}

std::uint64_t ChangeComparison::sum(ChangesetView changeset) const {
  std::uint64_t sum = 0, seed = 0;
  std::size_t tables = 0;
  for_each(changeset, [&](const ChangesetReader& reader, const Change&) {
    if (std::exchange(tables, reader.tables_begun()) != reader.tables_begun()) seed = hash_of(reader.table().name, 0);
    sum += hash_of(reader.record(), seed);
  });
  return sum;
}

ChangeComparison::Sums ChangeComparison::sums(ChangesetView changeset) const {
  Sums sums{};
  for_each(changeset, [&](const ChangesetReader& reader, const Change& change) {
    const std::uint64_t key = hash_of(key_of(reader.table(), change));
    sums[key % kParts] += hash_of(reader.record(), key);
  });
  return sums;
}

std::map<RowKey, BothChanges> ChangeComparison::rows(const std::vector<RowKey>& keys) const {
  const Sums pages = sums(pages_), outbox = sums(outbox_);
  std::array<bool, kParts> parts{};
  for (std::size_t i = 0; i < kParts; ++i) parts[i] = pages[i] != outbox[i];
  for (const RowKey& key : keys) parts[hash_of(key) % kParts] = true;
  std::map<RowKey, BothChanges> rows;
  add(pages_, parts, true, rows);
  add(outbox_, parts, false, rows);
  return rows;
}

void ChangeComparison::add(ChangesetView changeset, const std::array<bool, kParts>& parts, bool is_pages,
                           std::map<RowKey, BothChanges>& rows) const {
  for_each(changeset, [&](const ChangesetReader& reader, const Change& change) {
    RowKey key = key_of(reader.table(), change);
    if (!parts[hash_of(key) % kParts]) return;
    BothChanges& both = rows[std::move(key)];
    if (both.table.name.empty()) both.table = {reader.table().name, reader.table().key};
    (is_pages ? both.pages : both.outbox) = owned(change);
  });
}

}  // namespace colony
