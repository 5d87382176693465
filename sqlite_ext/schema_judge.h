// Whether the nodes of a colony would still come to the same rows after what a
// transaction does to the schema of its file.
//
// Nodes agree on the definition of each replicated table (table_definition.h). A
// transaction may add what leaves that as it is or extends it by columns with a constant
// default: indexes that are not unique, views, triggers, tables without rows. All else
// waits until the programs stand still, and is made on every node.
//
// Threads: those of the connection. Errors: RecordError; judge() and what follows it throw
// one whose text is for the program's author or operator.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sqlite_ext/sqlite_host.h"
#include "sqlite_ext/table_definition.h"

namespace colony {

class SchemaJudge {
 public:
  // Of `schema` (`main`, or an attached file).
  SchemaJudge(sqlite3* db, std::string schema) : db_(db), schema_(std::move(schema)) {}

  // Reads what the colony has agreed on. Call it again whenever the schema may have changed.
  void load();
  std::vector<std::string> replicated() const;

  // Whether the rows of a table that is not replicated may be written: it was left out
  // knowingly, or has no key by which its rows could be.
  bool may_have_rows(const std::string& table);

  // What is wrong with a replicated table as it is now; empty if nothing is. Remembers
  // the answer until load().
  const std::string& trouble_with(const std::string& table);

  // The transaction is going to change the schema. The first call remembers how it was.
  void note_before();
  // It may have changed it: notes which replicated tables are missing, for they may come
  // back as others. The mark counts these notes; go_back() forgets those after it.
  void note_missing();
  std::size_t mark() const { return missing_.size(); }
  void go_back(std::size_t mark) { missing_.resize(mark); }

  bool has_noted() const { return before_.has_value(); }
  // Replicated tables that this transaction has made anew or changed beyond what is allowed.
  std::set<std::string> spoilt();
  // Throws the refusal if there are any, or anything of Colony's own is gone, or a new table has rows.
  void judge();
  // Throws the refusal if this table is new to the colony and has rows.
  void judge_new(const std::string& table);
  // Agrees on the definitions of tables that were extended. Their guard indexes cannot be
  // made anew within the statement that commits; the sidecar does that.
  void agree_on_extensions();

  // The transaction is over.
  void clear();

 private:
  struct Agreed {
    std::string definition;  // empty: not known
    std::optional<std::string> trouble;
    bool extended = false;  // found when the trouble was looked for
  };
  struct Entry {
    std::string type;
    std::int64_t rowid = 0;  // in sqlite_schema, of a table: a table that is made anew gets another
    std::string all;         // of its SQL, and that of its indexes and triggers
  };
  using Entries = std::map<std::string, Entry>;

  Entries read_entries();
  void load_meta();
  void load_agreed();
  bool has_guards(const std::string& table);
  std::string what_happened(const std::string& table, const Entries& now);
  std::string find_trouble(const std::string& table, Agreed& agreed);

  sqlite3* db_;
  std::string schema_;
  bool guards_by_index_ = false;
  bool judges_new_tables_ = false;
  std::map<std::string, Agreed> agreed_;
  std::set<std::string> left_out_;
  std::map<std::string, bool> may_have_rows_;
  // As of load(), read for all tables when first asked for.
  std::optional<std::map<std::string, int>> guards_;  // how many each table has
  std::optional<DefinitionReader> definitions_;
  std::optional<Entries> before_;
  std::vector<std::string> missing_;
};

// The refusal of a transaction because of a table, and `why`.
std::string schema_refusal(const std::string& table, const std::string& why);

}  // namespace colony
