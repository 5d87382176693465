// What a transaction touches, as numbers that can be compared: two transactions
// whose numbers do not meet give the same rows and the same conflicts in either
// order.
//
// They meet if they touch the same row, or the same value of a unique index. A
// row that one of them displaces is not foreseen here: the applier looks when it
// happens. Equal values under the index's collation give equal numbers; unequal
// ones may do so too, which only costs a rebase that was not needed.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "replicator/store/replicated_schema.h"
#include "sqlite_ext/changeset.h"

namespace colony {

struct WriteSet {
  std::vector<std::uint64_t> writes;    // what others can meet
  std::vector<std::uint64_t> overlaps;  // which marks of others this meets
  // What of it has no place in the schema, in words that follow "a transaction": the table has
  // lost columns. It is not among the numbers, so whom it meets is not known.
  std::string unfit = {};
};

// Adds what `changeset` touches. Tables that `schema` lacks are ignored: nobody else's
// changes of them can be applied here either.
void add_to_write_set(const ReplicatedSchema& schema, ChangesetView changeset, WriteSet& write_set);

// The mark of the row whose key is in `row`.
std::uint64_t row_fingerprint(const ReplicatedTable& table, const std::vector<Value>& row);

}  // namespace colony
