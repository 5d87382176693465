// The row changes of a transaction in the order in which they happened, as the
// recorder notes them: one record each, known by the offset where it begins.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "sqlite_ext/changeset.h"
#include "sqlite_ext/spill.h"

namespace colony {

class ChangeLog {
 public:
  struct Record {
    std::uint32_t table;  // a number of the recorder's
    Operation op;
    std::string_view values;  // as a changeset has them: before, then after
    std::size_t end;          // where the next record begins
  };

  explicit ChangeLog(const SpillSettings& settings) : spill_(settings), bytes_(settings) {}

  const SpillSettings& spill() const { return spill_; }

  // On failure the log is what it was before.
  void append(std::uint32_t table, Operation op, const std::vector<Value>& before, const std::vector<Value>& after);

  // The same for a row of which all values are known; one of the two is empty if it was
  // inserted or deleted. Of an update only what differs is kept, and nothing of one that changes
  // nothing; a change of the key is a deletion and an insertion. `key` as in ChangesetTable. What
  // `before` and `after` hold afterwards means nothing.
  void append_row(std::uint32_t table, const std::vector<std::uint8_t>& key, std::vector<Value>& before,
                  std::vector<Value>& after);

  // Its values are good until the log changes.
  Record at(std::size_t offset) const;
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  void truncate(std::size_t size) { bytes_.truncate(size); }
  void clear() { bytes_.clear(); }

  // See Spill.
  void passed(std::size_t offset) const { bytes_.passed(offset); }

 private:
  SpillSettings spill_;
  Spill bytes_;
};

}  // namespace colony
