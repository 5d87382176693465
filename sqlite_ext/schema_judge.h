// Whether the nodes of a colony would still come to the same rows after what a
// transaction does to the schema of its file.
//
// Nodes agree on the definition of each replicated table (table_definition.h). What a
// transaction does to the schema is told to all of them as changes (schema_change.h); what
// cannot be told, or takes away what Colony needs, is refused at the commit. Tables that a
// connection without colony.so has changed are not written until `colony init` agrees.
//
// Of a file in wal mode it judges in the same way; what it takes in is not guarded.
//
// Threads: those of the connection. Errors: RecordError; judge() and what follows it throw
// one whose text is for the program's author or operator.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sqlite_ext/schema_difference.h"
#include "sqlite_ext/sqlite_host.h"
#include "sqlite_ext/table_definition.h"
#include "sqlite_ext/table_history.h"

namespace colony {

class SchemaJudge {
 public:
  // Of `schema` (`main`, or an attached file).
  SchemaJudge(sqlite3* db, std::string schema, const SqliteHost& host)
      : db_(db), host_(host), schema_(std::move(schema)), history_(db, schema_) {}

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
  void note_before() { note_before(db_); }
  // The same where another connection still sees how it was.
  void note_before(sqlite3* before);
  // How the tables come to be what they are: see there. Empty of an operator.
  TableHistory& history() { return history_; }
  const TableHistory& history() const { return history_; }
  // What became of the replicated tables that there were before the transaction.
  std::map<std::string, TableFate> fates() const;
  // It may have changed it: notes which replicated tables are missing, for they may come
  // back as others. The mark counts these notes; go_back() forgets those after it.
  void note_missing();
  struct Mark {
    std::size_t missing = 0, statements = 0;
  };
  Mark mark() const { return {missing_.size(), history_.mark()}; }
  void go_back(const Mark& mark) {
    missing_.resize(mark.missing);
    history_.go_back(mark.statements);
  }

  bool has_noted() const { return before_.has_value(); }
  // Replicated tables that this transaction has made anew or changed beyond what is allowed.
  std::set<std::string> spoilt();
  // Throws the refusal if there are any, or anything of Colony's own is gone.
  void judge();
  // What the transaction has done to the schema that all nodes are to have. After judge().
  // Throws the refusal if that cannot be told.
  SchemaChanges changes();
  // Whether a table of this name was there before, and is gone: it was made anew if it is there.
  bool is_remade(const std::string& table) const { return originals_.contains(table) && history_.fate(table).is_gone; }
  // That indexes and triggers have gone with their tables, of which changes() says nothing.
  SchemaChanges gone_with(const std::set<std::string>& tables) const;
  // Whether a view, a trigger or a foreign key of another table names this column: SQLite would
  // write a new name into it.
  bool is_named_elsewhere(const std::string& table, const std::string& column) const;
  // Gives the first of those that rename something the texts that are changed by it.
  void keep_former_texts(SchemaChanges& changes);
  // What is known of the replicated tables is what they are now.
  void follow(const SchemaChanges& changes);
  // Notes how columns came to be where they are now, once the changes say all that they do.
  void note_layouts(const SchemaChanges& changes);
  // The tables that it has made and that are replicated from their first row on.
  std::vector<std::string> new_tables();
  // Throws the refusal if this table is new to the colony and has rows.
  void judge_new(const std::string& table);
  // Agrees on the definitions of tables that were extended. Their guard indexes cannot be
  // made anew within the statement that commits; the sidecar does that.
  void agree_on_extensions();
  // From now on this table is replicated, and guarded.
  void take_in(const std::string& table);
  // Last of all: see settle_guard_index_names().
  void settle_guards();
  // The schema is one that the log led to once it has this chunk.
  void confirm_with(sqlite3_int64 chunk);
  // Whether it is not yet: then rows name their columns.
  bool is_unconfirmed() const { return is_unconfirmed_; }
  // Asks the file.
  bool is_confirmed_now();

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
    SchemaObjects objects;   // the same, one by one
  };
  using Entries = std::map<std::string, Entry>;  // by the table's name, as sqlite_schema has it

  Entries read_entries() { return read_entries(db_); }
  Entries read_entries(sqlite3* db);
  void load_meta();
  void load_agreed();
  // All that it is to have: none in wal mode.
  bool has_guards(const std::string& table);
  bool is_shadow(const std::string& table);
  // Whether a new table of that name is to be replicated.
  bool is_wanted(const std::string& table) const;
  bool is_new(const std::string& table, const Entry& entry);
  SchemaObjects shared_objects(const Entries& entries);
  SchemaChanges dropped_strangers(const Entries& now);
  void set_definition(const std::string& former, const std::string& table);
  void make_guards(const std::string& table);
  std::string what_happened(const std::string& table, const Entries& now);
  std::string find_trouble(const std::string& table, Agreed& agreed);

  sqlite3* db_;
  const SqliteHost& host_;
  std::string schema_;
  bool is_guarded_ = false;  // in session mode
  bool guards_by_index_ = false;
  bool knows_left_out_ = false;  // which tables stay out of it
  bool are_chosen_ = false;      // only those that were named, and new ones that fit a pattern
  std::vector<std::string> patterns_;
  std::map<std::string, Agreed> agreed_;
  std::set<std::string> left_out_;
  bool is_unconfirmed_ = false;
  std::map<std::string, bool> may_have_rows_;
  // As of load(), read for all tables when first asked for.
  std::optional<std::map<std::string, int>> guards_;  // how many each table has
  std::optional<DefinitionReader> definitions_;
  std::optional<Entries> before_;
  std::map<std::string, std::string> originals_;  // replicated before the transaction, and their definitions
  TableHistory history_;
  std::vector<std::string> missing_;
};

// The refusal of a transaction because of a table, and `why`.
std::string schema_refusal(const std::string& table, const std::string& why);

}  // namespace colony
