// Reads the write-ahead log transaction by transaction and makes changesets of what programs
// have changed. It has no lock and no connection of its own: whoever has one keeps the state
// from which it reads from being overwritten (wal_pin.h).
//
// Threads: one at a time. Errors: WalLost, SqliteError, SpillError, ChangesetError; it cannot go
// on after one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "replicator/wal/page_changes.h"
#include "replicator/wal/transaction_sink.h"
#include "replicator/wal/wal_mark.h"
#include "replicator/wal/wal_tables.h"
#include "sqlite_ext/change_log.h"

namespace colony {

class WalFollower {
 public:
  // Transactions are told to `sink`. All must outlive it. The tables are those at `base`, at which it
  // begins, and `mark_number` is that of the mark which stands there.
  WalFollower(const WalLog& log, const WalEnd& base, WalTables tables, std::uint64_t mark_number, TransactionSink& sink,
              SpillSettings spill);

  // Told of a transaction of Colony's own, which ends with frame `last`. One that has changed the
  // schema, or which tables are replicated, needs the tables that there are after it: it gives them.
  using OnOwn = std::function<std::optional<WalTables>(const WalMark& mark, FrameNumber last, bool changes_tables)>;

  enum class Stop {
    kEnd,           // all is read
    kFrames,        // enough for now
    kSchemaChange,  // a program's transaction comes that changes the schema
  };
  Stop read(const WalEnd& end, std::size_t frames_max, const OnOwn& on_own);

  // What the state has, and what changes it, for who takes a change of the schema.
  WalTables& tables() { return tables_; }
  PageVersions& pages() { return pages_; }
  // All that follows up to `end` as one, without taking it. Throws WalLost if one of Colony's own
  // transactions is among it.
  WrittenPages rest(const WalEnd& end);
  // The rows that it changes, by the trees of tables(), of those that are wanted.
  void look_at(const WrittenPages& written, const PageChanges::Wanted& wanted, const PageChanges::Visit& visit);
  // Takes the next transaction, which changes the schema, and tells the rows of tables that stay what
  // and where they are. `after`: the tables after it.
  void take_with_schema(const WrittenPages& written, WalTables after);
  // All that follows up to `end` was taken otherwise, and these are the tables now.
  void skip_to(const WalEnd& end, WalTables tables);

  FrameNumber frame() const { return pages_.frame(); }
  const WalSalt& salt() const { return pages_.salt(); }

  // Whether rows must name their columns: see ChangesetTable::names.
  void set_names_columns(bool names) { names_columns_ = names; }

 private:
  enum class Kind { kRows, kOwn, kSchemaChange };

  Kind take(const WrittenPages& written, const OnOwn& on_own);
  std::optional<WalMark> mark_in(PageChanges& changes);
  std::optional<WalMark> mark_after(const WrittenPages& written);
  void look_for_mark(const StoredRow& row, std::optional<WalMark>& mark);
  std::optional<WalMark> new_mark(const std::optional<WalMark>& mark);
  void take_own(const WalMark& mark, const WrittenPages& written, PageChanges* changes, const OnOwn& on_own);
  bool changes_schema(const WrittenPages& written, std::optional<WalMark>& mark);
  bool only_moves_tables(const WrittenPages& written);
  void take_moved(const WrittenPages& written);
  void record_moved(const WrittenPages& written, TreeNumber tree, const WalTables& after);
  bool changes_schema(PageChanges& changes);
  void take_rows(PageChanges& changes, const WalTables* after = nullptr);
  bool record_gone(PageChanges& changes, TreeNumber tree);
  void record_new(PageChanges& changes, TreeNumber tree);
  bool decode(TreeNumber tree, const StoredRow* row, DecodedRow& decoded);
  void set_tables(WalTables tables);

  PageVersions pages_;
  TreeMap map_;
  WalTables tables_;
  std::vector<ChangesetTable> plain_, named_;  // headers by tree
  TransactionSink& sink_;
  ChangeLog log_;  // of the transaction at hand
  bool names_columns_ = false;
  std::uint64_t mark_number_;
  DecodedRow before_, after_;
};

}  // namespace colony
