// What becomes of a file's tables within one transaction, as its statements tell: which
// are dropped, renamed, have renamed columns, or are made anew under the same name.
//
// The schema before and after does not tell that: whether a column was renamed, or another
// one put in its place.
//
// Threads: those of the connection. Errors: std::bad_alloc.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sqlite_ext/sqlite_host.h"
#include "sqlite_ext/table_statement.h"

namespace colony {

// Of a table that there was before the transaction.
struct TableFate {
  // What has its name now, if anything has, is another table. One that was given the name of a
  // table that was dropped is gone too: its rows make that table anew.
  bool is_gone = false;
  std::string name;  // now
  struct RenamedColumn {
    std::string before, now;
    std::string as_written;  // `now`, with the quotes that it may have
  };
  std::vector<RenamedColumn> renamed_columns;  // in their order
  bool is_renamed_anew = false;                // it is gone, was made anew, and that has got another name
};

class TableHistory {
 public:
  // Of `schema` (`main`, or an attached file).
  TableHistory(sqlite3* db, std::string schema) : db_(db), schema_(std::move(schema)) {}

  // For who knows what has become of the tables otherwise, and sees no statements.
  void tell(std::map<std::string, TableFate> fates) { told_ = std::move(fates); }

  // Such a statement is about to run.
  void begin(TableStatement statement);
  bool is_settled() const { return is_settled_; }
  // It has run: before the next one, or at the commit, it is found out whether it has done what
  // it says. Until then it has not. False if it has failed.
  bool settle();

  // go_back() forgets all statements since the mark.
  std::size_t mark() const { return steps_.size(); }
  void go_back(std::size_t mark);
  void clear();

  // `table` is the name that it had before the transaction.
  TableFate fate(const std::string& table) const;
  // The table that has this name now had which one before the transaction? Empty: it is new.
  std::string former_name(const std::string& table) const;
  // The name of the table that the latest statement is about to take rows or columns from, or
  // to put in the place of another, as it was before the transaction; empty if it does not, or
  // the table is new.
  std::string at_stake() const;

 private:
  struct Step {
    TableStatement statement;
    bool existed;  // the table, before it
  };

  // How many steps have happened.
  std::size_t settled() const { return steps_.size() - (is_settled_ ? 0 : 1); }
  bool exists(const std::string& table, const std::string& column = {}) const;
  bool is_called(const std::string& table, const std::string& column) const;
  bool has_happened(const Step& step) const;
  std::string former_name(std::string table, std::size_t steps) const;
  bool takes_anothers_place(std::size_t step) const;

  sqlite3* db_;
  std::string schema_;
  std::vector<Step> steps_;
  std::optional<std::map<std::string, TableFate>> told_;
  bool is_settled_ = true;
};

}  // namespace colony
