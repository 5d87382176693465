#include "replicator/compare/table_pair.h"

#include <algorithm>

#include "sqlite_ext/captured_table.h"

namespace colony {
namespace {

constexpr int kRowsBetweenQuestions = 1000;

bool same_rows(const std::vector<Value>& a, const std::vector<Value>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), identical);
}

const ReplicatedTable& checked(const ReplicatedTable& mine, const ReplicatedTable& theirs) {
  const std::size_t common = theirs.columns.size();
  if (mine.columns.size() < common || !std::equal(theirs.columns.begin(), theirs.columns.end(), mine.columns.begin()) ||
      !std::equal(theirs.key.begin(), theirs.key.end(), mine.key.begin())) {
    throw SchemaMismatch("has other columns in table " + theirs.name + " than this file");
  }
  return mine;
}

bool has_null(const std::vector<Value>& key, const std::vector<std::size_t>& columns) {
  return std::any_of(columns.begin(), columns.end(), [&](std::size_t i) { return key[i].type == ValueType::kNull; });
}

}  // namespace

TablePair::TablePair(StatementCache& mine, const ReplicatedTable& my_table, StatementCache& theirs,
                     const ReplicatedTable& their_table)
    : my_db_(mine.db()),
      their_db_(theirs.db()),
      table_(their_table),
      mine_(mine, checked(my_table, their_table), their_table.columns.size()),
      theirs_(theirs, their_table, their_table.columns.size()),
      key_(their_table.columns.size()) {}

void TablePair::compare(const TakeKey& take, const std::function<void()>& go_on) {
  take_differing(take, go_on);
  take_surplus(take, go_on);
}

std::string TablePair::key_of(const std::vector<Value>& row) const {
  std::string key;
  for (std::size_t i = 0; i < row.size(); ++i) append_value(key, table_.key[i] != 0 ? row[i] : Value());
  return key;
}

// Rows of the other file that are missing or differ here.
void TablePair::take_differing(const TakeKey& take, const std::function<void()>& go_on) {
  std::string names;
  for (const std::string& column : table_.columns) names += (names.empty() ? "" : ",") + quoted(column);
  Statement all(their_db_, "SELECT " + names + " FROM main." + quoted(table_.name));
  std::vector<Value> row(table_.columns.size());
  for (int rows = 1; all.step(); ++rows) {
    for (std::size_t i = 0; i < row.size(); ++i) row[i] = all.value(static_cast<int>(i));
    if (!mine_.select(row, my_row_, my_storage_) || !same_rows(row, my_row_)) take(key_of(row));
    if (rows % kRowsBetweenQuestions == 0) go_on();
  }
}

// Rows here that the other file lacks.
void TablePair::take_surplus(const TakeKey& take, const std::function<void()>& go_on) {
  std::string names;
  std::vector<std::size_t> columns;
  for (std::size_t i = 0; i < table_.columns.size(); ++i) {
    if (table_.key[i] == 0) continue;
    names += (names.empty() ? "" : ",") + quoted(table_.columns[i]);
    columns.push_back(i);
  }
  keyless_ = 0;
  Statement all(my_db_, "SELECT " + names + " FROM main." + quoted(table_.name));
  std::vector<Value> key(table_.columns.size());
  for (int rows = 1; all.step(); ++rows) {
    for (std::size_t i = 0; i < columns.size(); ++i) key[columns[i]] = all.value(static_cast<int>(i));
    if (has_null(key, columns)) {
      ++keyless_;
    } else if (!theirs_.select(key, their_row_, their_storage_)) {
      take(key_of(key));
    }
    if (rows % kRowsBetweenQuestions == 0) go_on();
  }
}

void TablePair::look_up(std::string_view key) {
  key_storage_ = key;
  std::string_view rest = key_storage_;
  for (Value& value : key_) value = take_value(rest);
  is_mine_ = mine_.select(key_, my_row_, my_storage_);
  is_theirs_ = theirs_.select(key_, their_row_, their_storage_);
}

bool TablePair::differs() const { return is_mine_ != is_theirs_ || (is_mine_ && !same_rows(my_row_, their_row_)); }

void TablePair::put_theirs() {
  const int rc = mine_.insert(their_row_);
  if (rc == SQLITE_DONE) return;
  throw SqliteError(rc, "a row of table " + table_.name + " cannot be put: " + sqlite3_errstr(rc));
}

}  // namespace colony
