// What the outbox of a file in session mode lacks of what programs have changed, and how it is
// made good.
//
// Transactions are taken in their order, each as its pages tell it and as the outbox has it. From
// the first difference on, a row has two histories: what it is in the file, and what those make
// of it who get what is in the outbox. The latter is followed here, row by row. write() makes a
// transaction of what leads from the one to the other: after it, the fold of what was sent is what
// the rows are. What later transactions have changed of such a row in the eyes of the others
// becomes their effect, so that they can be undone.
//
// A table is given up, to be compared with the other nodes', if it has changed otherwise
// meanwhile: its columns, or its rows by somebody else of Colony's. One with unique indexes is
// compared as well if later transactions have changed it: they may have displaced other rows
// there than here.
//
// Threads: one. Errors: SqliteError, SpillError, ChangesetError, RecordError.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "replicator/store/node_file.h"
#include "replicator/wal/change_comparison.h"

namespace colony {

class LateCapture {
 public:
  struct Transaction {
    ChangesetView pages;      // net, as they tell
    ChangesetView outbox;     // without changes of the schema
    ChunkNumber first, last;  // in the outbox; 0: there are none
    bool changes_schema = false;
  };
  // What was found wrong with one table in one transaction.
  struct Finding {
    std::uint64_t not_in_outbox = 0;  // rows that the pages say have changed, or otherwise
    std::uint64_t only_in_outbox = 0;
    std::string a_key;  // of one of them, as JSON
  };
  using Findings = std::map<std::string, Finding>;  // by table

  // Tables that are not `wanted` are left alone.
  Findings take(const Transaction& transaction, const ChangeComparison::Wanted& wanted);

  // Whether there is something to write.
  bool empty() const { return rows_.empty() && given_up_.empty(); }
  // The table, if something of it waits to be written.
  void give_up(const std::string& table);
  void give_up_all();

  struct Written {
    std::uint64_t rows = 0;
    std::set<std::string> given_up;
  };
  // Within a write transaction, in which the rows are what they are after all that was taken.
  Written write(Database& db, NodeFile& file);
  // It has happened.
  void clear();

 private:
  // A row as the others have it, or will.
  struct Row {
    ChangesetTable table;
    bool exists = false;
    std::vector<std::string> values;  // encoded; empty: as in the file
  };
  // Of a transaction in the outbox: the rows that it changes otherwise, or not.
  struct Effect {
    ChunkNumber first;
    std::map<RowKey, std::optional<RowChange>> rows;
  };

  Row& row_of(const RowKey& key, const BothChanges& both);
  static void keep_values(Row& row, const RowChange& by_pages);
  static std::optional<RowChange> fold(Row& row, const RowChange& change);
  std::uint64_t write_rows(Database& db, bool names_columns);
  void note_changed(ChangesetView outbox);
  void write_effect(Database& db, NodeFile& file, ChunkNumber last, const Effect& effect);

  std::map<RowKey, Row> rows_;
  std::map<ChunkNumber, Effect> effects_;  // by the last chunk
  std::set<std::string> given_up_;
  std::set<std::string> changed_since_;  // captured changes came after such that were not
};

}  // namespace colony
