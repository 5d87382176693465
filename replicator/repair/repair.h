// `colony repair`: what differs between a node's file and what the log says its rows must
// be, and how to make the two agree again.
//
// Programs and the sidecar, running or halted, go on meanwhile. What differs is found in
// read transactions. A change is one transaction of the file, under its write lock: the
// log and the pending transactions are followed to where the file is then, and the rows
// that differed are compared once more. Killed at any step, nothing has changed or all.
//
// Not seen: a row that is changed behind Colony's back between the comparison and the
// change. Comparing again shows it.
//
// Threads: one. Errors: Error with one line; those of ExpectedRows and RowDifferences.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "replicator/compare/row_differences.h"
#include "replicator/repair/expected_rows.h"
#include "replicator/repair/repair_notes.h"
#include "replicator/wal/own_transaction.h"

namespace colony {

struct RepairRequest {
  std::string database;
  std::string base;              // see ExpectedRows
  std::set<std::string> tables;  // empty: all that are replicated
  bool reads_only = false;       // it will only be shown
};

class Repair {
 public:
  // `log`, null if there is none, must outlive it. Throws Error if the file replicates no
  // table of a name in `request`.
  Repair(const RepairRequest& request, Log* log, GoOn go_on);

  // What differs: of each table, also those that are equal, and of what is noted beside
  // the rows.
  struct Found {
    std::vector<DifferingRows> tables;
    NoteDifference notes;

    bool any() const;
  };

  // Opens a read transaction, which lasts until a change, or the end of this object.
  Found compare();
  // The rows that differ: see RowDifferences. After compare().
  void for_each(const std::function<bool(const RowDifference&)>& visit) { differences_->for_each(visit); }

  // As compare() has found them.
  Sequence position() const { return position_; }
  std::int64_t pending() const { return pending_; }
  // Replicated here, and not in the snapshot: not compared.
  std::vector<std::string> unknown_tables() const;

  // What was changed: nothing if all has become equal since it was compared.
  struct Change {
    Found found;
    std::string kept_in;  // take_theirs() only; empty if no row of mine was replaced
  };

  // Makes my rows where they differ a transaction of this node, the latest in its outbox.
  Change keep_mine();

  // Puts the log's rows in place of mine where they differ. Mine are written before that to
  // a new file at `kept_in`, or where that is taken, beside it.
  Change take_theirs(const std::string& kept_in);

 private:
  Found find();
  void compare_rows();
  void follow();
  Change change(const std::function<void(Change&)>& apply);
  void change_notes();
  void keep_rows(const std::string& kept_in, Change& change);
  void ask_for_a_check();

  const RepairRequest request_;
  const GoOn go_on_;
  const BeginRead begin_;
  Database db_;
  NodeFile records_;
  ReplicatedSchema schema_;
  ExpectedRows expected_;
  std::uint64_t times_read_ = 0;  // the schema that these two are of
  std::optional<RowDifferences> differences_;
  std::optional<RepairNotes> notes_;
  std::optional<BegunRead> reading_;
  Sequence position_;
  std::int64_t pending_ = 0;
};

// `<database>-colony-repair-<time in UTC>.db`.
std::string kept_rows_path(const std::string& database, std::int64_t time_s);

}  // namespace colony
