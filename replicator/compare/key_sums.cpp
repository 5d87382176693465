#include "replicator/compare/key_sums.h"

#include <xxhash.h>

#include <algorithm>

#include "sqlite_ext/captured_table.h"

namespace colony {
namespace {

constexpr int kRowsBetweenQuestions = 1000;

std::string listed(const ReplicatedTable& table, const std::vector<std::size_t>& columns) {
  std::string names;
  for (const std::size_t column : columns) names += (names.empty() ? "" : ",") + quoted(table.columns[column]);
  return names;
}

std::vector<std::size_t> columns_of_key(const ReplicatedTable& table) {
  std::vector<std::size_t> columns;
  for (std::size_t i = 0; i < table.key.size(); ++i) {
    if (table.key[i] != 0) columns.push_back(i);
  }
  return columns;
}

// The key first, so that it is the beginning of a row's bytes.
std::vector<std::size_t> key_and_rest(const ReplicatedTable& table, std::size_t columns) {
  std::vector<std::size_t> all = columns_of_key(table);
  for (std::size_t i = 0; i < columns; ++i) {
    if (table.key[i] == 0) all.push_back(i);
  }
  return all;
}

std::uint64_t hash_of(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

// Neighbours among whole numbers share a bucket: they are read one after the other, and what
// is made or deleted together often has such keys.
constexpr int kNeighboursShift = 5;
constexpr std::int64_t kNeighbours = std::int64_t{1} << kNeighboursShift;

KeyBucket in_range(std::uint64_t hash) { return static_cast<KeyBucket>(hash % KeyBuckets::kCount); }

}  // namespace

KeyBucket KeyBuckets::of(const Value& first, std::size_t columns, std::string_view bytes) {
  if (columns > 1 || first.type != ValueType::kInteger) return in_range(hash_of(bytes));
  const std::int64_t range = first.integer >> kNeighboursShift;
  if (range_ != range) {
    range_ = range;
    bucket_ = in_range(XXH3_64bits(&range, sizeof range));
  }
  return bucket_;
}

void KeySums::add(Database& db, const ReplicatedTable& table, std::size_t columns, const std::function<void()>& go_on) {
  const auto of_key = columns_of_key(table).size();
  Statement all(db, "SELECT " + listed(table, key_and_rest(table, columns)) + " FROM main." + quoted(table.name));
  KeyBuckets buckets;
  std::string row;
  const std::size_t count = static_cast<std::size_t>(all.columns());
  for (std::uint64_t read = 1; all.step(); ++read) {
    row.clear();
    bool has_key = true;
    KeyBucket bucket = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const Value value = value_of(sqlite3_column_value(all.handle(), static_cast<int>(i)));
      has_key &= i >= of_key || value.type != ValueType::kNull;
      append_value(row, value);
      if (i + 1 == of_key) bucket = buckets.of(value, of_key, row);
    }
    if (has_key) {
      sums_[bucket] += hash_of(row);
      ++rows_;
    } else {
      ++keyless_;
    }
    if (read % kRowsBetweenQuestions == 0) go_on();
  }
}

DifferingKeys::DifferingKeys(Database& db, const ReplicatedTable& table, const KeySums& mine, const KeySums& theirs)
    : db_(db),
      table_(table),
      mine_(mine),
      theirs_(theirs),
      columns_(columns_of_key(table)),
      row_(table.columns.size()) {}

void DifferingKeys::for_each(const Visit& visit, const std::function<void()>& go_on) {
  if (!visit_ranges(visit, go_on)) visit_all(visit, go_on);
}

bool DifferingKeys::differs(const Value& first, std::string_view bytes) {
  return !mine_.is_same(buckets_.of(first, columns_.size(), bytes), theirs_);
}

// Range by range, as many as there are between the least and the greatest key. False if that
// is no less work than to read all.
bool DifferingKeys::visit_ranges(const Visit& visit, const std::function<void()>& go_on) {
  if (!table_.rowid_key) return false;
  const std::string key = quoted(table_.columns[columns_.front()]), from = " FROM main." + quoted(table_.name);
  const std::int64_t least = db_.query_integer("SELECT min(" + key + ")" + from) >> kNeighboursShift;
  const std::int64_t greatest = db_.query_integer("SELECT max(" + key + ")" + from) >> kNeighboursShift;
  const auto ranges = static_cast<std::uint64_t>(greatest) - static_cast<std::uint64_t>(least);
  if (ranges >= std::max(mine_.rows(), theirs_.rows())) return false;
  Statement keys(db_, "SELECT " + key + from + " WHERE " + key + " BETWEEN ?1 AND ?2");
  for (std::int64_t range = least;; ++range) {
    const std::int64_t first = range * kNeighbours;
    if (differs(Value::of_integer(first), {})) {
      const ResetAtEnd reset(keys);
      keys.bind(1, first).bind(2, first + (kNeighbours - 1));
      while (keys.step()) {
        if (read(keys)) visit(row_);
      }
    }
    if (range == greatest) return true;
    if (range % kRowsBetweenQuestions == 0) go_on();
  }
}

void DifferingKeys::visit_all(const Visit& visit, const std::function<void()>& go_on) {
  Statement keys(db_, "SELECT " + listed(table_, columns_) + " FROM main." + quoted(table_.name));
  for (std::uint64_t rows = 1; keys.step(); ++rows) {
    if (read(keys) && differs(row_[columns_.front()], bytes_)) visit(row_);
    if (rows % kRowsBetweenQuestions == 0) go_on();
  }
}

// False if there is a NULL in the key.
bool DifferingKeys::read(Statement& keys) {
  bytes_.clear();
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const Value value = keys.value(static_cast<int>(i));
    if (value.type == ValueType::kNull) return false;
    row_[columns_[i]] = value;
    append_value(bytes_, value);
  }
  return true;
}

}  // namespace colony
