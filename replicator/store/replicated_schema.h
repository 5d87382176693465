// The replicated tables as the fold needs to know them: columns, key, and what
// must be unique under which collation.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "replicator/store/layout_history.h"
#include "replicator/store/sqlite.h"

namespace colony {

enum class Collation : std::uint8_t { kBinary, kNoCase, kRightTrim, kOther };

struct UniqueIndex {
  std::string name;
  std::vector<std::size_t> columns;  // into ReplicatedTable::columns
  std::vector<Collation> collations;
  // An expression or a WHERE clause decides what is in it, so that a change's
  // values do not tell whether it touches the index.
  bool opaque = false;
};

// What a column of a new row gets that was written without it, by a node that does not have
// the column: the same on every node.
enum class WithoutValue : std::uint8_t {
  kDefault,  // a constant
  kNull,     // instead of a default that each node would compute for itself
  kNothing,  // NOT NULL, and no constant default: what its type has for nothing
};

struct ReplicatedTable {
  std::string name;
  std::vector<std::string> columns;          // generated ones left out, as in changesets
  std::vector<std::uint8_t> key;             // per column: 0, or its place in the primary key from 1
  std::vector<Collation> key_collations;     // per column; of use where key is not 0
  std::vector<WithoutValue> without_value;   // per column
  std::vector<std::string> types, defaults;  // per column, as declared; no default: empty
  // Per column that may not be NULL: what stands instead, encoded. Otherwise empty.
  std::vector<std::string> instead_of_null;
  // Per column without a default: what rows got, encoded, that were there when the table was
  // made anew with it. Empty: nothing is known, or NULL.
  std::vector<std::string> fills;
  bool rowid_key = false;           // an INTEGER PRIMARY KEY
  bool key_as_declared = true;      // the key's collations are those of its columns
  bool resolves_conflicts = false;  // its definition may have an ON CONFLICT clause
  std::vector<UniqueIndex> unique;  // besides the primary key

  // What a column has, encoded, in a row that was written without it.
  std::string value_without(std::size_t column) const;

  // Rows with a NULL in the key are no others' to know: they are neither captured nor compared.
  bool key_allows_null() const;
  // An SQL condition that the other rows satisfy, without use of an index.
  std::string key_is_whole() const;

  // The shape that entries carry for the first `count` columns.
  std::uint64_t shape(std::size_t count) const;
};

// Rows are of another schema than this file's, or cannot be put into it.
class SchemaMismatch : public Error {
 public:
  explicit SchemaMismatch(const std::string& what,
                          std::string advice =
                              "make the same schema change here that was made there, run colony init "
                              "again, and this node goes on by itself")
      : Error(what), advice_(std::move(advice)) {}
  // What to do about it.
  const std::string& advice() const { return advice_; }

 private:
  std::string advice_;
};

class ReplicatedSchema {
 public:
  // Reads the tables that `db` replicates. A name in the list without a table in
  // the file is left out here: entries that speak of it cannot be applied. All of it is
  // of one state of the file, the version too, whatever is committed meanwhile.
  void load(Database& db);
  // The same of these tables, as if they were the ones that `db` replicates.
  void load(Database& db, const std::vector<std::string>& tables);

  // Loads it again if the schema has changed since; true if so.
  bool refresh(Database& db);

  // It must be loaded anew, whatever SQLite calls it.
  void forget() { version_ = -1; }

  // Whether the schema is still the one that was read.
  bool is_current(Database& db) const;

  // What SQLite calls the schema that was read; -1 before load(), and after one that failed.
  std::int64_t version() const { return version_; }

  // How often it was read: what find() gave before is gone.
  std::uint64_t times_read() const { return times_read_; }

  // Null if the file does not replicate such a table.
  const ReplicatedTable* find(const std::string& name) const;
  const std::map<std::string, ReplicatedTable>& tables() const { return tables_; }
  // How they came to be what they are.
  const LayoutHistory& layouts() const { return layouts_; }

 private:
  void read(Database& db, const std::vector<std::string>& tables);
  void read_layouts(Database& db);

  std::map<std::string, ReplicatedTable> tables_;
  LayoutHistory layouts_;
  std::int64_t version_ = -1;
  std::uint64_t times_read_ = 0;
};

// Reads one table's definition; throws SqliteError if there is none.
ReplicatedTable read_table(Database& db, const std::string& name);

const char* collation_name(Collation collation);

}  // namespace colony
