// Under which tables and columns the rows of a changeset belong now. Nodes write rows before
// they know of the schema changes that others have made: the log may have such a change
// first.
//
// A changeset says which tables it is about, how many columns they had, and by its shape
// which names those had; or the names themselves, while its origin has a schema change of its
// own that waits for its place in the log.
//
// Threads: none. Errors: ChangesetError.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "replicator/store/replicated_schema.h"
#include "sqlite_ext/changeset.h"

namespace colony {

class RowPlaces {
 public:
  // All are where they say.
  RowPlaces() = default;

  // How many of the last columns of some tables do not count.
  using Hidden = std::map<std::string, std::size_t>;

  // Of a changeset whose tables have this shape, if it is known; without it they are where
  // they say. Reads the changeset through if there is any history.
  RowPlaces(const ReplicatedSchema& schema, ChangesetView changeset, std::optional<std::uint64_t> shape,
            const Hidden& hidden = {});

  // Of a changeset none of whose tables are as they were: nothing explains its shape.
  bool is_unknown() const { return is_unknown_; }

  // Of the rows after the n-th header (ChangesetReader::tables_begun()): the table as it is
  // called now, and the present names of the columns. An empty name: it is gone. Null: they are
  // where they say.
  const ChangesetTable* of(std::size_t tables_begun) const;

 private:
  void find(const ReplicatedSchema& schema, const Hidden& hidden, std::vector<ChangesetTable> tables,
            std::uint64_t shape);

  std::vector<std::optional<ChangesetTable>> places_;
  bool is_unknown_ = false;
};

}  // namespace colony
