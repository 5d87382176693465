// What a transaction touches, as numbers that can be compared: two transactions whose
// write sets do not overlap give the same rows and the same conflicts in either order.
//
// They overlap if they touch the same row, or the same value of a unique index. A row
// that one of them displaces is not foreseen here: the applier checks when it happens.
// Values that are equal under the index's collation give equal numbers; others may do so
// too, which only costs an unnecessary rebase.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "replicator/store/replicated_schema.h"
#include "sqlite_ext/changeset.h"

namespace colony {

struct WriteSet {
  std::vector<std::uint64_t> writes;    // what it touches
  std::vector<std::uint64_t> overlaps;  // numbers in others' `writes` with which it overlaps
  // What of it has no place in the schema, in words that follow "a transaction": the table has
  // lost columns. It is not among the numbers, so what it overlaps with is not known.
  std::string unfit = {};
};

// Adds what rows `changeset` touches. Tables that `schema` lacks are ignored: nobody else's
// changes of them can be applied here either.
// `shape`, if given, is that of its tables at the origin.
void add_to_write_set(const ReplicatedSchema& schema, ChangesetView changeset, WriteSet& write_set,
                      std::optional<std::uint64_t> shape = std::nullopt);

// The number of the row whose key is in `row`.
std::uint64_t row_fingerprint(const ReplicatedTable& table, const std::vector<Value>& row);

}  // namespace colony
