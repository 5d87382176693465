// What of a table's schema decides how a log is folded into its rows, as a text that
// can be kept and compared: columns in their order with type, NOT NULL, default and place
// in the key, the kind of table, and what must be unique.
//
// A colony agrees on one definition for each replicated table: `colony init` keeps it in
// __colony_tables. Who meets another one later, in a commit or in the file, asks
// judge_definition() whether all nodes would still come to the same rows.
//
// The text is one item a line, each beginning with `table`, `column` or `unique`; see
// docs/formats.md. Threads: those of the connection. Errors: RecordError.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sqlite_ext/sqlite_host.h"

namespace colony {

// The definition of `schema`.`name` as SQLite has it now, whatever else the open
// transaction has changed; nothing if there is no such ordinary table.
std::optional<std::string> read_table_definition(sqlite3* db, const std::string& schema, const std::string& name);

// The same of many tables, in a time that is proportional to their number. The schema must
// not change while one lives: in one transaction, that is. Names are compared bit by bit.
class DefinitionReader {
 public:
  // Of the table `only`, or of any if that is empty.
  DefinitionReader(sqlite3* db, std::string schema, const std::string& only = {});

  // Whether there is an ordinary table of that name.
  bool has(const std::string& name) const { return kinds_.contains(name); }
  std::optional<std::string> read(const std::string& name);

 private:
  std::string unique_line(const std::string& index, bool primary, bool partial);
  std::string index_sql_after_on(const std::string& index);

  sqlite3* db_;
  std::string schema_;
  std::map<std::string, std::string> kinds_;      // the first line of each table's definition
  std::map<std::string, std::string> index_sql_;  // by name, once it was needed
  bool index_sql_known_ = false;
};

// The names of its columns, in their order, without those that are generated.
std::vector<std::string> column_names(const std::string& definition);

enum class DefinitionChange {
  kNone,
  // Columns were added at the end whose default is a constant: rows of a node that does not
  // have them yet get it, the same everywhere.
  kExtended,
  // All else: nodes that have it and nodes that do not would come to differ.
  kOther,
};

struct DefinitionVerdict {
  DefinitionChange change = DefinitionChange::kNone;
  // What has changed, of the first thing that did: "column city is gone". Empty if nothing has.
  std::string what;
};

DefinitionVerdict judge_definition(const std::string& agreed, const std::string& now);

// All that is another one, in words that follow a table's name: "column c is new",
// "UNIQUE(a) is gone".
std::vector<std::string> definition_differences(const std::string& agreed, const std::string& now);

// Whether a column's default, as PRAGMA table_xinfo shows it, is a literal: anything else
// could be another value on each node and at each time.
bool is_constant_default(const std::string& default_sql);

}  // namespace colony
