// Reading and writing SQLite's changeset format, the one that the session
// extension documents (sqlite.org/session/sqlite3changegroup.html and the head of
// ext/session/sqlite3session.c), so that SQLite's own functions can read,
// invert and combine what Colony stores.
//
// Two kinds of sections are Colony's own, and only in transactions that change the schema,
// or come before the log has taken such a change: what the transaction does to the schema
// (schema_change.h), before all rows, and the names of a table's columns, before its header.
//
// What Colony adds besides are two promises about the changesets that it writes: a row
// (a key) occurs at most once, as its net change; and within a table all DELETEs
// come first, then the UPDATEs, then the INSERTs. Both hold for a section, which is what
// follows one header: earlier versions wrote several sections of one table, with fewer
// and with more columns, where a transaction altered the table between its changes. They
// follow one another as in that transaction.
//
// Threads: none of these objects is shared. Ownership: values are views into
// the bytes that they were read from. Errors: ChangesetError.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "sqlite_ext/spill.h"

namespace colony {

class ChangesetError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class ValueType : std::uint8_t { kUndefined = 0, kInteger = 1, kReal = 2, kText = 3, kBlob = 4, kNull = 5 };

// One column's value. kUndefined: the change does not speak of this column.
struct Value {
  ValueType type = ValueType::kUndefined;
  std::uint32_t size = 0;  // of text and blobs, in bytes
  union {
    std::int64_t integer = 0;
    double real;
    const char* data;
  };

  bool defined() const { return type != ValueType::kUndefined; }
  std::string_view bytes() const { return {data, size}; }

  static Value null();
  static Value of_integer(std::int64_t value);
  static Value of_real(double value);
  static Value of_text(std::string_view value);
  static Value of_blob(std::string_view value);
};

// The same type and the same bytes.
bool identical(const Value& a, const Value& b);

enum class Operation : std::uint8_t { kDelete = 9, kInsert = 18, kUpdate = 23 };  // SQLITE_DELETE and so on

// What a changeset says of a table before its changes.
struct ChangesetTable {
  std::string name;
  std::vector<std::uint8_t> key;  // per column: 0, or its place in the primary key from 1
  // Of the columns, where their order alone does not tell which they are elsewhere: while
  // a change of the table's schema waits for its place in the log. Otherwise empty.
  std::vector<std::string> names = {};

  std::size_t columns() const { return key.size(); }
  bool operator==(const ChangesetTable&) const = default;
};

// INSERT: `after` has every column. DELETE: `before` has every column. UPDATE:
// `before` has the key and the changed columns, `after` the changed columns.
struct Change {
  Operation op = Operation::kInsert;
  std::vector<Value> before;
  std::vector<Value> after;

  std::size_t key_size() const { return op == Operation::kInsert ? after.size() : before.size(); }
  const Value& key_value(std::size_t column) const { return op == Operation::kInsert ? after[column] : before[column]; }
};

// The bytes of a changeset, wherever they are kept.
struct ChangesetView {
  std::string_view bytes;
  const Spill* spill = nullptr;  // that keeps them, if one does

  ChangesetView() = default;
  ChangesetView(std::string_view view) : bytes(view) {}
  ChangesetView(const std::string& string) : bytes(string) {}
  ChangesetView(const char* string) : bytes(string) {}
  ChangesetView(Spill& kept) : bytes(kept.view()), spill(&kept) {}
};

class ChangesetReader {
 public:
  // The bytes must outlive the reader and the changes that it gives.
  explicit ChangesetReader(ChangesetView changeset) : changeset_(changeset), rest_(changeset.bytes) {}

  // Reads the next change of a row into `change`, re-using its memory; false at the end.
  // table() is that change's table.
  bool next(Change& change);
  const ChangesetTable& table() const { return table_; }
  // The bytes of that change, from its operation on.
  std::string_view record() const { return record_; }

  // Counts the tables begun so far: changes when table() does.
  std::size_t tables_begun() const { return tables_begun_; }
  // Where the header of table() stands in the bytes.
  std::size_t table_begin() const { return table_begin_; }

 private:
  void read_headers();
  void read_table();
  void read_names();
  void read_record(std::vector<Value>& values);

  ChangesetView changeset_;
  std::string_view rest_, record_;
  ChangesetTable table_;
  std::vector<std::string> names_;  // of the columns of the table that comes next
  std::size_t tables_begun_ = 0;
  std::size_t table_begin_ = 0;
};

inline constexpr char kSchemaSection = 'S';
inline constexpr char kBeforeSection = 'B';  // rows before the schema changes; in no transaction that is sent
inline constexpr char kNamesSection = 'C';

void append_varint(std::string& out, std::uint64_t value);
// Reads one at the start of `bytes` and removes it from them.
std::uint64_t take_varint(std::string_view& bytes);

// Appends to a string. begin_table() comes before the changes of that table.
class ChangesetWriter {
 public:
  explicit ChangesetWriter(std::string& out) : out_(out) {}

  void begin_table(const ChangesetTable& table);
  // Of the table whose header comes next.
  void name_columns(const std::vector<std::string>& names);
  void add(Operation op, const std::vector<Value>& before, const std::vector<Value>& after);
  // `values` are those of the record as they stand in a changeset.
  void add_encoded(Operation op, std::string_view values);
  void add(const Change& change) { add(change.op, change.before, change.after); }

 private:
  std::string& out_;
};

void append_value(std::string& out, const Value& value);

// Reads the value at the start of `bytes` and removes it from them.
Value take_value(std::string_view& bytes);

// The changeset that undoes `changeset`: the same order of tables, and within
// each DELETEs, UPDATEs, INSERTs. Where a table has several sections (it was altered
// between changes of one transaction), what came last is undone first: then the
// sections are in the opposite order.
Spill invert(ChangesetView changeset, const SpillSettings& spill);

}  // namespace colony
