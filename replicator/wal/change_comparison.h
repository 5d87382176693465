// Compares what two changesets do to rows: the one that a transaction's pages tell, and the one
// that its outbox has. Both have each row at most once, as its net change, in any order.
//
// Equal ones cost a hash of each change. Of others, only the rows in which they may differ are
// held in memory. Threads: none. Errors: ChangesetError, std::bad_alloc.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sqlite_ext/changeset.h"

namespace colony {

// A change on its own: its values encoded, empty where it does not speak of a column.
struct RowChange {
  Operation op = Operation::kInsert;
  std::vector<std::string> before, after;
  bool operator==(const RowChange&) const = default;
};

struct RowKey {
  std::string table;
  std::string values;  // of its key, encoded one after the other
  auto operator<=>(const RowKey&) const = default;
};

// What is changed of one row by the pages, and by the outbox.
struct BothChanges {
  ChangesetTable table;
  std::optional<RowChange> pages, outbox;
};

class ChangeComparison {
 public:
  using Wanted = std::function<bool(const std::string& table)>;

  // Of tables that are not wanted, nothing is compared. All must outlive it.
  ChangeComparison(ChangesetView pages, ChangesetView outbox, Wanted wanted);

  bool are_equal() const { return equal_; }

  // The rows in which they differ, and others; all that both have of the rows in `keys`.
  std::map<RowKey, BothChanges> rows(const std::vector<RowKey>& keys) const;

 private:
  static constexpr std::size_t kParts = 1024;
  using Sums = std::array<std::uint64_t, kParts>;

  Sums sums(ChangesetView changeset) const;
  std::uint64_t sum(ChangesetView changeset) const;
  void add(ChangesetView changeset, const std::array<bool, kParts>& parts, bool is_pages,
           std::map<RowKey, BothChanges>& rows) const;
  template <class Visit>
  void for_each(ChangesetView changeset, Visit&& visit) const;

  const ChangesetView pages_, outbox_;
  const Wanted wanted_;
  bool equal_;
};

RowKey key_of(const ChangesetTable& table, const Change& change);
RowChange owned(const Change& change);
// Views of the encoded values.
std::vector<Value> decoded(const std::vector<std::string>& values);

}  // namespace colony
