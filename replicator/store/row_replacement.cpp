#include "replicator/store/row_replacement.h"

#include <algorithm>

#include "sqlite_ext/captured_table.h"

namespace colony {
namespace {

constexpr int kRowsBetweenQuestions = 1000;

std::string encoded_key(const ReplicatedTable& table, const std::vector<Value>& row) {
  std::string key;
  for (std::size_t i = 0; i < row.size(); ++i) append_value(key, table.key[i] != 0 ? row[i] : Value());
  return key;
}

bool same_rows(const std::vector<Value>& a, const std::vector<Value>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!identical(a[i], b[i])) return false;
  }
  return true;
}

void check_same(const ReplicatedTable* mine, const ReplicatedTable& theirs) {
  if (mine == nullptr) throw SchemaMismatch("has table " + theirs.name + ", which this file does not replicate");
  const std::size_t common = theirs.columns.size();
  if (mine->columns.size() < common ||
      !std::equal(theirs.columns.begin(), theirs.columns.end(), mine->columns.begin()) ||
      !std::equal(theirs.key.begin(), theirs.key.end(), mine->key.begin())) {
    throw SchemaMismatch("has other columns in table " + theirs.name + " than this file");
  }
}

}  // namespace

struct RowReplacement::Table {
  Table(StatementCache& mine_cache, const ReplicatedTable& mine_table, StatementCache& their_cache,
        const ReplicatedTable& theirs_table)
      : definition(theirs_table),
        mine(mine_cache, mine_table, theirs_table.columns.size()),
        theirs(their_cache, theirs_table, theirs_table.columns.size()),
        key(theirs_table.columns.size()),
        row(theirs_table.columns.size()) {}

  void note(const std::vector<Value>& any_row) { noted.insert(encoded_key(definition, any_row)); }
  const std::vector<Value>& decoded(const std::string& noted_key) {
    std::string_view rest = noted_key;
    for (Value& value : key) value = take_value(rest);
    return key;
  }
  bool select_mine(const std::vector<Value>& of) { return mine.select(of, my_row, my_storage); }
  bool select_theirs(const std::vector<Value>& of) { return theirs.select(of, their_row, their_storage); }

  const ReplicatedTable& definition;  // as the other file has it: columns may have been added since
  TableStatements mine, theirs;
  std::unordered_set<std::string> noted;
  std::vector<Value> key, row, my_row, their_row;
  std::string my_storage, their_storage;
};

RowReplacement::RowReplacement(Database& db, const ReplicatedSchema& schema, Database& other)
    : db_(db), other_(other), mine_(db), theirs_(other) {
  other_schema_.load(other_);
  for (const auto& [name, theirs] : other_schema_.tables()) {
    const ReplicatedTable* const mine = schema.find(name);
    check_same(mine, theirs);
    tables_.emplace(name, std::make_unique<Table>(mine_, *mine, theirs_, theirs));
  }
}

RowReplacement::~RowReplacement() = default;

void RowReplacement::compare(const std::function<void()>& go_on) {
  const ReadTransaction reading(db_);
  for (const auto& [name, table] : tables_) {
    note_differing(*table, go_on);
    note_surplus(*table, go_on);
  }
}

// Rows of the other file that are missing or differ here.
void RowReplacement::note_differing(Table& table, const std::function<void()>& go_on) {
  std::string names;
  for (const std::string& column : table.definition.columns) names += (names.empty() ? "" : ",") + quoted(column);
  Statement all(other_, "SELECT " + names + " FROM main." + quoted(table.definition.name));
  for (int rows = 1; all.step(); ++rows) {
    for (std::size_t i = 0; i < table.row.size(); ++i) table.row[i] = all.value(static_cast<int>(i));
    if (!table.select_mine(table.row) || !same_rows(table.row, table.my_row)) table.note(table.row);
    if (rows % kRowsBetweenQuestions == 0) go_on();
  }
}

// Rows here that the other file lacks.
void RowReplacement::note_surplus(Table& table, const std::function<void()>& go_on) {
  std::string names;
  std::vector<std::size_t> columns;
  for (std::size_t i = 0; i < table.definition.columns.size(); ++i) {
    if (table.definition.key[i] == 0) continue;
    names += (names.empty() ? "" : ",") + quoted(table.definition.columns[i]);
    columns.push_back(i);
  }
  Statement all(db_, "SELECT " + names + " FROM main." + quoted(table.definition.name));
  std::vector<Value> key(table.definition.columns.size());
  for (int rows = 1; all.step(); ++rows) {
    for (std::size_t i = 0; i < columns.size(); ++i) key[columns[i]] = all.value(static_cast<int>(i));
    if (!table.select_theirs(key)) table.note(key);
    if (rows % kRowsBetweenQuestions == 0) go_on();
  }
}

void RowReplacement::note(ChangesetView changeset) {
  ChangesetReader reader(changeset);
  Change change;
  while (reader.next(change)) {
    const auto table = tables_.find(reader.table().name);
    if (table == tables_.end()) continue;  // the other file does not replicate it
    std::vector<Value> key(table->second->definition.columns.size());
    for (std::size_t i = 0; i < reader.table().columns() && i < key.size(); ++i) {
      if (table->second->definition.key[i] != 0) key[i] = change.key_value(i);
    }
    table->second->note(key);
  }
}

// All that differs is taken out before anything is put in: so no unique value is in
// the way.
std::uint64_t RowReplacement::apply() {
  std::uint64_t replaced = 0;
  for (const auto& [name, table] : tables_) {
    for (auto noted = table->noted.begin(); noted != table->noted.end();) {
      const std::vector<Value>& key = table->decoded(*noted);
      const bool is_here = table->select_mine(key), is_there = table->select_theirs(key);
      const bool is_same = is_here && is_there && same_rows(table->my_row, table->their_row);
      if (is_here && !is_same) {
        table->mine.erase(key);
        ++replaced;
      }
      noted = is_there && !is_same ? std::next(noted) : table->noted.erase(noted);
    }
  }
  for (const auto& [name, table] : tables_) {
    for (const std::string& noted : table->noted) {
      table->select_theirs(table->decoded(noted));
      // Two noted keys may be one under the key's collation.
      if (table->select_mine(table->their_row)) continue;
      if (const int rc = table->mine.insert(table->their_row); rc != SQLITE_DONE) {
        throw SqliteError(rc, "a row of table " + name + " cannot be put: " + sqlite3_errstr(rc));
      }
    }
    table->noted.clear();
  }
  return replaced;
}

}  // namespace colony
