#include "replicator/compare/key_range.h"

#include <algorithm>

#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/changeset.h"

namespace colony {
namespace {

std::string collated(const ReplicatedTable& table, std::size_t column, const std::string& term) {
  if (table.rowid_key) return term;
  return term + " COLLATE " + collation_name(table.key_collations[column]);
}

std::string parameter(int index) { return "?" + std::to_string(index); }

std::string row_of(const std::vector<std::string>& terms) {
  std::string row;
  for (const std::string& term : terms) row += (row.empty() ? "" : ", ") + term;
  return terms.size() == 1 ? row : "(" + row + ")";
}

std::string parameters(std::size_t count, int first) {
  std::vector<std::string> terms;
  for (std::size_t i = 0; i < count; ++i) terms.push_back(parameter(first + static_cast<int>(i)));
  return row_of(terms);
}

// The values of a bound; none if it is malformed.
std::vector<Value> values_of(std::string_view bound) {
  std::vector<Value> values;
  try {
    while (!bound.empty()) values.push_back(take_value(bound));
  } catch (const ChangesetError&) {
    values.clear();
  }
  return values;
}

}  // namespace

std::vector<std::size_t> key_columns(const ReplicatedTable& table) {
  std::vector<std::size_t> columns;
  for (std::size_t i = 0; i < table.key.size(); ++i) {
    if (table.key[i] != 0) columns.push_back(i);
  }
  std::sort(columns.begin(), columns.end(), [&](std::size_t a, std::size_t b) { return table.key[a] < table.key[b]; });
  return columns;
}

std::vector<std::string> key_terms(const ReplicatedTable& table) {
  std::vector<std::string> terms;
  for (const std::size_t column : key_columns(table)) {
    terms.push_back(collated(table, column, quoted(table.columns[column])));
  }
  return terms;
}

int bind_key(Statement& statement, const ReplicatedTable& table, const std::vector<Value>& row) {
  int next = 1;
  for (const std::size_t column : key_columns(table)) statement.bind(next++, row[column]);
  return next;
}

std::optional<KeyRange> KeyRange::of(const ReplicatedTable& table, const std::string& low, const std::string& high) {
  KeyRange range;
  range.low_ = low;
  range.high_ = high;
  if (range.is_whole()) return range;
  const std::vector<std::size_t> columns = key_columns(table);
  for (const std::size_t column : columns) {
    if (table.key_collations[column] == Collation::kOther) return std::nullopt;
  }
  for (const std::string* bound : {&low, &high}) {
    if (!bound->empty() && values_of(*bound).size() != columns.size()) return std::nullopt;
  }
  return range;
}

// SQLite finds the rows of a range by the key if the columns are named as they are, or
// the range is of the first one alone.
std::string KeyRange::condition(const std::vector<std::string>& key, int first, bool also_of_first) const {
  const int columns = static_cast<int>(key.size());
  std::string sql;
  const auto add = [&](const std::string& left, const char* compares, const std::string& right) {
    sql += (sql.empty() ? "" : " AND ") + left + compares + right;
  };
  if (!low_.empty()) {
    if (also_of_first) add(key.front(), " >= ", parameter(first));
    add(row_of(key), " > ", parameters(key.size(), first));
    first += columns;
  }
  if (!high_.empty()) {
    if (also_of_first) add(key.front(), " <= ", parameter(first));
    add(row_of(key), " <= ", parameters(key.size(), first));
  }
  return sql;
}

std::string KeyRange::where(const ReplicatedTable& table) const {
  if (is_whole()) return "";
  if (!table.key_as_declared) return " WHERE " + condition(key_terms(table), 1, true);
  std::vector<std::string> names;
  for (const std::size_t column : key_columns(table)) names.push_back(quoted(table.columns[column]));
  return " WHERE " + condition(names, 1, false);
}

std::string KeyRange::test(const ReplicatedTable& table) const {
  std::vector<std::string> terms;
  for (const std::size_t column : key_columns(table)) {
    terms.push_back(collated(table, column, parameter(static_cast<int>(terms.size()) + 1)));
  }
  return condition(terms, static_cast<int>(terms.size()) + 1, false);
}

void KeyRange::bind(Statement& statement, int first) const {
  for (const std::string* bound : {&low_, &high_}) {
    std::string_view rest = *bound;
    while (!rest.empty()) statement.bind(first++, take_value(rest));
  }
}

}  // namespace colony
