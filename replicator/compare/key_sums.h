// Which rows of a table two files can differ in, told without looking any of them up: rows
// are summed up by buckets of their keys on both sides, as the proof sums up whole tables
// (proof.h). Where the sums of a bucket are equal, so are its rows.
//
// The bucket of a row depends on the bytes of its key alone: no order of the rows counts, and
// no collation. Keys that SQLite holds equal and that are written otherwise differ. Whole
// numbers that are neighbours share a bucket.
//
// Memory: two megabytes for each KeySums. Threads: that of the connection that is read.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "replicator/store/replicated_schema.h"
#include "replicator/store/sqlite.h"

namespace colony {

using KeyBucket = std::uint32_t;

// Finds the bucket of one key after another.
class KeyBuckets {
 public:
  static constexpr std::size_t kCount = 1u << 18;

  // `first` of its `columns`; `bytes` are those of all of them.
  KeyBucket of(const Value& first, std::size_t columns, std::string_view bytes);

 private:
  std::optional<std::int64_t> range_;  // of the latest whole number
  KeyBucket bucket_ = 0;
};

class KeySums {
 public:
  KeySums() : sums_(KeyBuckets::kCount) {}

  // Sums up all rows of the table, of the first `columns` of its columns. Rows with a NULL in
  // the key, which no node can replicate, are counted and nothing else. `go_on` is asked now
  // and then, and may throw. Errors: SqliteError.
  void add(Database& db, const ReplicatedTable& table, std::size_t columns, const std::function<void()>& go_on);

  std::uint64_t rows() const { return rows_; }
  std::uint64_t keyless() const { return keyless_; }

  bool operator==(const KeySums& other) const { return sums_ == other.sums_; }
  bool is_same(KeyBucket bucket, const KeySums& other) const { return sums_[bucket] == other.sums_[bucket]; }

 private:
  std::vector<std::uint64_t> sums_;
  std::uint64_t rows_ = 0, keyless_ = 0;
};

// Visits the keys of the rows of a table in whose buckets two sums differ: a row has its key, and
// undefined values elsewhere. Reads the keys of all rows, or where whole numbers lie close
// together, only those. `go_on` as for KeySums.
class DifferingKeys {
 public:
  // All must outlive it.
  DifferingKeys(Database& db, const ReplicatedTable& table, const KeySums& mine, const KeySums& theirs);

  using Visit = std::function<void(const std::vector<Value>& row)>;
  void for_each(const Visit& visit, const std::function<void()>& go_on);

 private:
  bool visit_ranges(const Visit& visit, const std::function<void()>& go_on);
  void visit_all(const Visit& visit, const std::function<void()>& go_on);
  bool read(Statement& keys);
  bool differs(const Value& first, std::string_view bytes);

  Database& db_;
  const ReplicatedTable& table_;
  const KeySums &mine_, &theirs_;
  const std::vector<std::size_t> columns_;  // of the key
  KeyBuckets buckets_;
  std::vector<Value> row_;
  std::string bytes_;
};

}  // namespace colony
