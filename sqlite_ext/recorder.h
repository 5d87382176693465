// Records the row changes of one schema of one connection, as its preupdate hook
// reports them, and makes of them the net changeset of the transaction.
//
// Two users: the capture inside the app's process, and the applier, which so
// learns what a redo really changed and which rows it displaced.
//
// Threads: those of its connection, one at a time. Errors: exceptions
// (std::bad_alloc, RecordError, SpillError) leave the recording as it was before the call;
// callers that are SQLite callbacks catch them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/change_log.h"
#include "sqlite_ext/changeset.h"
#include "sqlite_ext/sqlite_host.h"

namespace colony {

class RecordError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// With what SQLite says of its latest call.
[[noreturn]] void throw_record_error(sqlite3* db, const char* what);

class Recorder {
 public:
  Recorder(sqlite3* db, std::string schema, const SqliteHost& host, SpillSettings spill)
      : db_(db), schema_(std::move(schema)), host_(host), log_(std::move(spill)) {}
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // Which tables to record; reads their columns anew. Call it again whenever the
  // schema may have changed. What was recorded so far stays; write_changeset() puts it
  // under the columns that a table has then.
  void set_tables(const std::vector<std::string>& names);
  // The same where a transaction may alter tables: a table stays the same `object`, whatever
  // its name and columns are; rows of one that is `named` come with the names of its columns.
  struct RecordedTable {
    std::string name;
    std::string object;
    bool named = false;
  };
  // `keep` those known until now, also while nothing is recorded: columns as they were first
  // and last are asked for.
  void set_tables(const std::vector<RecordedTable>& tables, bool keep = false);

  bool records(const char* table) { return find(table) != nullptr; }

  // The tables of which the first row since set_tables() was recorded since the last call.
  std::vector<std::string> take_newly_touched();

  // To be called from the preupdate hook with its arguments. False if the table is not
  // one of those that are recorded.
  bool record(int op, const char* table, sqlite3_int64 old_rowid);

  // For who learns of changes otherwise: `before` and `after` as ChangeLog::append_row() has them.
  void append(const std::string& table, std::vector<Value>& before, std::vector<Value>& after);

  // From now on tables are read through another connection, which sees a later state of them.
  void move_to(sqlite3* db);

  // Records all rows that a table has now, as inserted or deleted; those with a NULL in their key,
  // which no other node could tell apart, are left out.
  void record_all(const std::string& table, Operation op);

  // Records the rows of `gone`, a table that was deleted row by row and made anew under the
  // name of `table`, as they would have been carried over, so that write_changeset() tells only
  // in what the new table differs. `fills` and `for_null`: see CarryOver.
  // `renamed` has the present names of columns that were copied under others.
  using ColumnNames = std::map<std::string, std::string>;
  void record_carried(const std::string& gone, const std::string& table, const ColumnNames& renamed,
                      const std::map<std::string, std::string>& fills,
                      const std::map<std::string, std::string>& for_null);

  // The columns of `gone` that live on in `table` under other names, which it gives: see
  // CopiedColumns.
  ColumnNames renamed_by_copy(const std::string& gone, const std::string& table) const;

  // Of an object: under which columns rows of it would have been recorded last.
  std::vector<std::string> last_columns(const std::string& object) const;
  const SpillSettings& spill() const { return log_.spill(); }

  // Finalizes the prepared statements that it keeps; they come back when needed.
  void release_statements();

  // How much is recorded; truncate() goes back to such a mark.
  std::size_t mark() const { return log_.size(); }
  void truncate(std::size_t mark) { log_.truncate(mark); }
  void clear() { log_.clear(); }
  bool empty() const { return log_.empty(); }

  // Takes what there is of a changeset, and leaves nothing; `shape` is the combined
  // one of all its tables, in the changeset's order.
  using Drain = std::function<void(std::string& bytes, std::uint64_t shape)>;

  // Writes the net changeset of all that is recorded, in as many calls as it takes;
  // none when it all comes to nothing. Rows of the objects in `left_out` are passed over.
  // Throws RecordError when a table has lost columns other than its last.
  void write_changeset(const Drain& drain, const std::set<std::string>& left_out = {}) const;

  // What is to be undone of a transaction that destroys the objects in `gone`: before its
  // changes of the schema, their rows, as they were first recorded; after them, all others.
  void write_before(const Drain& drain, const std::set<std::string>& gone) const;
  void write_after(const Drain& drain, const std::set<std::string>& gone) const;

  // Calls visit(table, row) for each row that was deleted since `mark`, in order,
  // with its values before. For rows that REPLACE displaced.
  template <class Visit>
  void for_each_delete_since(std::size_t mark, Visit&& visit) const;

 private:
  struct Table {
    CapturedTable layout;
    std::string object;
    bool carried = false;  // see record_carried()
    // Reads all columns that stored_value() may be asked for, in one; null until then.
    sqlite3_stmt* stored = nullptr;
    std::vector<int> stored_places;  // per column, in its result
    bool stored_read = false;        // it stands on the row at hand
    bool touched = false;            // since set_tables()
  };

  void write_changeset_of_one(const ChangeLog::Record& record, const Drain& drain) const;
  using NumberOf = std::function<std::uint32_t(std::uint32_t table)>;
  void write(const Drain& drain, const NumberOf& number_of) const;
  std::uint32_t present_number(std::uint32_t table, const std::set<std::string>& left_out) const;
  std::uint32_t first_number(const std::string& object) const;
  std::uint32_t last_number(const std::string& object) const;
  std::uint32_t number_of_name(const std::string& table) const;
  Spill rows_of_gone(const std::string& gone) const;
  Table* find(const char* name);
  Value old_value(Table& table, std::size_t column, sqlite3_int64 rowid);
  Value new_value(const Table& table, std::size_t column, int op);
  Value stored_value(Table& table, std::size_t column, sqlite3_int64 rowid);
  void prepare_stored(Table& table);
  void bind_stored(Table& table, sqlite3_int64 rowid);
  void done_with_stored(Table& table);

  sqlite3* db_;
  std::string schema_;
  const SqliteHost& host_;
  std::vector<Table> tables_;                               // also those of earlier schemas that log_ still refers to
  std::unordered_map<std::string, std::uint32_t> index_;    // of the present schema, by name
  std::unordered_map<std::string, std::uint32_t> objects_;  // likewise, by object
  bool keeps_names_ = true;                                 // columns change by being added only
  std::vector<std::uint32_t> newly_touched_;
  static constexpr std::uint32_t kNone = ~0u;
  std::uint32_t found_ = kNone;  // what find() found last
  std::size_t statements_ = 0;   // that tables_ have
  ChangeLog log_;
  std::vector<Value> before_, after_;  // of the row at hand
};

template <class Visit>
void Recorder::for_each_delete_since(std::size_t mark, Visit&& visit) const {
  std::vector<Value> row;
  for (std::size_t at = mark; at < log_.size();) {
    const ChangeLog::Record record = log_.at(at);
    at = record.end;
    if (record.op != Operation::kDelete) continue;
    const ChangesetTable& table = tables_[record.table].layout.header;
    row.resize(table.columns());
    std::string_view rest = record.values;
    for (Value& value : row) value = take_value(rest);
    visit(table, static_cast<const std::vector<Value>&>(row));
  }
}

}  // namespace colony
