// What the fold must do, written once more with nothing but maps: the judge of
// the one that works on SQLite. It shares with it the reading of changesets, and
// no other thought.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/schema.h"

namespace colony::sim {

using TableRows = std::map<std::string, RowHandle>;     // by Table::key_of()
using DatabaseRows = std::map<std::string, TableRows>;  // by name

struct ReferenceConflict {
  std::string kind;
  std::string table;
  Row key;   // columns that are not of the key: unknown
  Row lost;  // likewise, and empty when nothing was lost
};

// Applies one transaction to `rows`.
std::vector<ReferenceConflict> reference_fold(const Schema& schema, DatabaseRows& rows, std::string_view changeset);

// What a column keeps of a value: REAL ones forget the sign of zero.
void as_stored(const Table& table, Row& row);

}  // namespace colony::sim
