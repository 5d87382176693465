// What programs have committed to a file in wal mode while no sidecar ran, and its write-ahead
// log was begun anew so that nobody can read it there any more: what the rows and the schema
// must be (expected_rows.h) compared with what they are. The difference becomes one transaction
// of this node, the latest in its outbox.
//
//   MissedChanges missed(database, base, &log, go_on);
//   missed.prepare();                    // takes long; programs may write and checkpoint
//   missed.find(pinned);                 // takes a while; `pinned` keeps one state readable
//   missed.put(capture_since);           // a moment, under the write lock
//
// The difference is that of the pinned state. What programs commit after that is captured by
// who reads the write-ahead log, as ever, from the pinned state on, within the very transaction
// that queues the difference: so nothing is compared under the lock, and nothing lies between.
// Killed at any step, nothing has happened or all.
//
// Not while an applier works on the file. Threads: one; but comparing has a second one, which
// has ended when find() returns. Errors: Error with one line; those of ExpectedRows.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "replicator/compare/row_differences.h"
#include "replicator/repair/expected_rows.h"
#include "sqlite_ext/schema_change.h"

namespace colony {

// Something has changed that find() has looked at: it must do so again.
class FileChanged : public Error {
 public:
  using Error::Error;
};

class MissedChanges {
 public:
  // `base`: the SQLite file of a snapshot, to be written to. `log` must outlive this.
  MissedChanges(const std::string& database, const std::string& base, Log* log, GoOn go_on);

  // Brings the base to where the file is.
  void prepare();

  struct Found {
    std::vector<DifferingRows> tables;   // in which rows differ beyond what follows from the changes of the schema
    std::vector<DifferingRows> keyless;  // that have rows which no node can replicate
    SchemaChanges schema;

    bool any() const { return !tables.empty() || !schema.empty(); }
    std::uint64_t rows() const;
  };

  // In the open read transaction of `pinned`, any connection to the file. `go_on` is asked now
  // and then, and may throw.
  const Found& find(Database& pinned, const std::function<void()>& go_on);

  // Queues the difference, if there is any, and calls `capture_since` as the last thing in the
  // write transaction: it captures what was committed after the state that find() has seen, and
  // writes the mark, of the log as it is under that lock. Throws FileChanged if a command
  // has written to the outbox meanwhile; what capture_since throws. Nothing has happened then.
  // `go_on_waiting` is asked while a program holds the lock.
  void put(const std::function<void(Database& db)>& capture_since, std::function<bool()> go_on_waiting);

 private:
  using Place = std::tuple<Sequence, ChunkNumber, ChunkNumber, std::int64_t>;
  static Place place_of(NodeFile& file);

  void check_tables_are_known(Database& pinned);
  void compare_rows(Database& pinned, const std::function<void()>& go_on);
  void make_effect();
  void queue();
  void write_agreement();

  Database db_;
  NodeFile records_;
  Database noted_;  // the tables as they were noted, without rows
  ExpectedRows expected_;
  Place place_;
  Found found_;
  Spill changeset_;
  std::uint64_t shape_ = 0;
  // What a change of the schema brings along.
  std::optional<Spill> effect_;                        // if it is not the changeset
  std::map<std::string, std::string> agreed_;          // definitions, by table
  std::vector<std::vector<std::string>> new_layouts_;  // rows of __colony_layouts: name, columns, change
};

}  // namespace colony
