// Makes the rows of the replicated tables those of another file: how a node that
// was away for too long installs a snapshot.
//
// The long part, finding out what differs, needs no lock: compare() notes keys
// while programs go on writing. What they write meanwhile the caller knows, as it
// is in the outbox, and adds with note(); apply() then looks at the noted rows
// alone, within the caller's write transaction. Rows are compared byte by byte.
//
// Memory grows with the number of rows that differ, by their keys. Threads: those
// of the two connections. `db` must come from open_for_fold().
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "replicator/compare/table_pair.h"
#include "replicator/store/replicated_schema.h"

namespace colony {

class RowReplacement {
 public:
  // `schema` is that of `db`, and all must outlive this object. Throws
  // SchemaMismatch if `db` lacks a table of `other` or has other columns there; columns
  // that were added since stay as they are, or get their default.
  RowReplacement(Database& db, const ReplicatedSchema& schema, Database& other);
  ~RowReplacement();

  // In the open transaction, or a read transaction of its own. `go_on` is asked now and then, and may throw.
  void compare(const std::function<void()>& go_on);

  // Compares the rows of these changes again.
  void note(ChangesetView changeset);

  // How many rows of `db` were changed or removed.
  std::uint64_t apply();

 private:
  struct Table;

  Database& db_;
  StatementCache mine_, theirs_;  // of the two
  ReplicatedSchema other_schema_;
  std::map<std::string, std::unique_ptr<Table>> tables_;
};

}  // namespace colony
