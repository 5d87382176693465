// A database in WAL mode whose tables are read from its pages, transaction by transaction, while
// a program writes to it: what the readers make of them, beside what a SELECT says.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "replicator/store/sqlite.h"
#include "replicator/wal/page_changes.h"
#include "replicator/wal/row_decoder.h"

namespace colony::unit {

struct FileForm {
  int page_bytes = 4096;
  int reserved_bytes = 0;
  std::string encoding = "UTF-8";
  std::string auto_vacuum = "NONE";
};

// In WAL mode, with nothing in it but what `sql` makes. The log is copied into the database by
// nobody unless a test says so.
Database new_wal_database(const std::string& path, const FileForm& form, const std::string& sql);

class WatchedFile {
 public:
  // Watches the tables with a primary key, from the state after `sql` on.
  WatchedFile(const std::string& path, const FileForm& form, const std::string& sql);

  Database& program() { return program_; }
  const WalLog& log() const { return *log_; }
  PageVersions& pages() { return *pages_; }
  TreeMap& map() { return map_; }
  PageNumber root(const std::string& table) const { return roots_[tree(table) - std::size_t{1}]; }

  // Runs it and takes it. The rows as the pages say that they changed: `- row` and `+ row`, table by
  // table, without those that only went to another page;
  // rows as shown() gives them (memory_node.h).
  std::vector<std::string> run(const std::string& sql);
  // Takes what was committed, with however many transactions. How many there were.
  int take();

  // Of the rows that were told by the last take().
  std::size_t told() const { return told_; }
  // Of all rows, in order, as the changes made them, and as SQLite gives them.
  std::vector<std::string> read_rows(const std::string& table) const;
  std::vector<std::string> selected_rows(const std::string& table);
  const std::vector<std::string>& tables() const { return names_; }
  // The first table for which they differ, with some of what differs; empty if none does.
  std::string difference();

  // Reads from here on keep only the latest state.
  void move_pin();

 private:
  TreeNumber tree(const std::string& table) const;
  std::optional<std::string> decoded(TreeNumber tree, const StoredRow* row);
  void begin_reading();

  Database program_, reader_;
  std::optional<WalLog> log_;
  std::optional<PageVersions> pages_;
  TreeMap map_;
  std::vector<std::string> names_;
  std::vector<PageNumber> roots_;
  std::vector<std::unique_ptr<RowDecoder>> decoders_;
  using Rows = std::map<std::string, int>;  // how often each
  std::vector<Rows> rows_, changed_;
  std::size_t told_ = 0;
};

}  // namespace colony::unit
