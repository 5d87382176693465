// The transactions that wait in this node's outbox, in memory: in their order,
// and by what they touch. That finds those that an entry of somebody else meets
// without looking at the others.
//
// A mirror of committed outbox rows only, kept by the applier's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "replicator/fold/write_set.h"
#include "replicator/log/names.h"
#include "sqlite_ext/schema_change.h"

namespace colony {

class PendingTransactions {
 public:
  void clear();

  // `last` is the last chunk of the transaction, and its name here; `work` is what
  // undoing or redoing it takes, in changes of a row.
  struct Schema {
    SchemaChanges changes = {};  // empty if it changes none
    bool blocks = false;         // what it has really done does not leave rows alone (leave_rows_alone())
    // It has not done them: the log had the same from somebody else before, or another one.
    bool matched = false;
  };
  void add(ChunkNumber first, ChunkNumber last, WriteSet write_set, std::size_t work, Schema schema);
  void add(ChunkNumber first, ChunkNumber last, WriteSet write_set, std::size_t work = 1) {
    add(first, last, std::move(write_set), work, {});
  }
  // A redo changed other rows than the transaction first did.
  void add_writes(ChunkNumber last, const WriteSet& write_set);
  void remove(ChunkNumber last);

  bool empty() const { return transactions_.empty(); }
  std::size_t size() const { return transactions_.size(); }
  ChunkNumber end() const { return end_; }  // the last chunk of the latest that was ever added
  // The first that changes the schema, and whose change the log does not have yet from
  // anybody (matched()); nothing if there is none.
  std::optional<ChunkNumber> first_schema_change() const;
  // The latest that changes the schema, whoever has made the same.
  std::optional<ChunkNumber> latest_schema_change() const;
  // Whether such a one is there beneath which rows cannot be changed (leave_rows_alone()).
  bool has_blocking_schema_change() const;
  // How many columns those that are not matched(), and for which `counts` is true, have added
  // to each table.
  std::map<std::string, std::size_t> added_columns(const std::function<bool(ChunkNumber last)>& counts) const;
  // Null if it changes none.
  const Schema* schema(ChunkNumber last) const;
  // Somebody else has made the same change before it in the log.
  void matched(ChunkNumber last) { schema_changes_.at(last).matched = true; }
  bool contains(ChunkNumber last) const { return transactions_.contains(last); }
  ChunkNumber first_chunk(ChunkNumber last) const { return transactions_.at(last).first; }
  std::size_t work(ChunkNumber last) const { return transactions_.at(last).work; }
  const std::vector<std::uint64_t>& overlaps(ChunkNumber last) const;
  std::vector<ChunkNumber> all() const;

  // Calls with each that has this mark and is later than `after`, up to `until`.
  void for_each_later(std::uint64_t write, ChunkNumber after, ChunkNumber until,
                      const std::function<void(ChunkNumber last)>& call) const;

 private:
  void remove_rows(ChunkNumber last);

  struct Transaction {
    ChunkNumber first;
    std::size_t work = 0;
    WriteSet write_set;  // sorted; `asks` is empty when it equals `marks`, as it mostly does
  };
  std::map<ChunkNumber, Transaction> transactions_;
  std::map<ChunkNumber, Schema> schema_changes_;
  std::set<std::pair<std::uint64_t, ChunkNumber>> by_write_;
  ChunkNumber end_;
};

inline constexpr ChunkNumber kNoEnd{~std::uint64_t{0}};  // later than any

// Those that must be undone before something may be applied: the transactions that
// it meets, and the later ones that meet these. Grows as more is asked; each
// transaction and each mark of one is looked at once.
class OverlappingTransactions {
 public:
  // `pending` must outlive it, and stay as it is.
  explicit OverlappingTransactions(const PendingTransactions& pending) : pending_(pending) {}

  // What meets `asks`.
  void ask(const std::vector<std::uint64_t>& overlaps);
  // This one, whether or not anything meets it.
  void add(ChunkNumber last);

  const std::set<ChunkNumber>& transactions() const { return overlapping_; }
  std::size_t work() const { return work_; }  // of undoing all of them

 private:
  void ask(std::uint64_t write, ChunkNumber after);
  void overlap(ChunkNumber last);
  void explore();

  const PendingTransactions& pending_;
  std::set<ChunkNumber> overlapping_;
  std::vector<ChunkNumber> unexplored_;
  std::size_t work_ = 0;
  // Per mark, from where on all that have it are met already.
  std::unordered_map<std::uint64_t, ChunkNumber> overlapping_after_;
};

}  // namespace colony
