// What differs between the replicated tables of two files, row by row: `mine` is this
// file, `theirs` is what its rows must be.
//
// compare() reads all rows once and keeps the keys of those that differ, as bytes that
// spill, so that memory does not grow with them. All else looks these rows up again, as
// they are then on both sides: what has become equal meanwhile is ignored.
//
// Threads: those of the two connections. Errors: SqliteError, SpillError.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "replicator/compare/table_pair.h"
#include "sqlite_ext/spill.h"

namespace colony {

struct RowDifference {
  const ReplicatedTable& table;
  const std::vector<Value>* mine;  // null: only the other side has it
  const std::vector<Value>* theirs;
};

struct DifferingRows {
  std::string table;
  std::uint64_t only_mine = 0, only_theirs = 0, different = 0;
  // Rows here with a NULL in the key, which no node can replicate.
  std::uint64_t keyless = 0;

  std::uint64_t rows() const { return only_mine + only_theirs + different; }
};

class RowDifferences {
 public:
  // Of the tables that both sides replicate and that `wanted` names (empty: all). The
  // schemas are those of the files; all must outlive it. Throws SchemaMismatch.
  RowDifferences(Database& mine, const ReplicatedSchema& my_schema, Database& theirs,
                 const ReplicatedSchema& their_schema, const std::set<std::string>& wanted);
  ~RowDifferences();

  std::vector<std::string> tables() const;

  // Within the caller's read transactions. `go_on` is asked now and then, and may throw.
  void compare(const std::function<void()>& go_on);

  // What differs now of what compare() has found. One for each table that was compared.
  std::vector<DifferingRows> count();
  // Calls visit for each row that still differs, table by table. A row is good until
  // visit returns. False from it ends the visit.
  void for_each(const std::function<bool(const RowDifference&)>& visit);

  // The changeset that makes mine of theirs, and the combined shape of its tables.
  std::uint64_t write_changeset(Spill& out);

  // Puts theirs in place of mine, within the caller's write transaction on a connection
  // made by open_for_fold().
  void put_theirs();

 private:
  struct Table;

  template <class Visit>
  void look_at(Table& table, Visit&& visit);

  StatementCache mine_, theirs_;                // of the two connections
  std::vector<std::unique_ptr<Table>> tables_;  // by name
};

}  // namespace colony
