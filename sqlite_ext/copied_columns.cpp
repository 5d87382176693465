#include "sqlite_ext/copied_columns.h"

#include <algorithm>

#include "sqlite_ext/recorder.h"
#include "sqlite_ext/sql_tokens.h"
#include "sqlite_ext/statement_handle.h"

namespace colony {
namespace {

constexpr const char* kCannotMatch = "cannot compare a table with what it was made of";

std::size_t place_of(const CapturedTable& table, const std::string& name) {
  const auto found = std::find_if(table.columns.begin(), table.columns.end(), [&](const CapturedColumn& column) {
    return folded_name(column.name) == folded_name(name);
  });
  return static_cast<std::size_t>(found - table.columns.begin());
}

bool has(const CapturedTable& table, const std::string& name) { return place_of(table, name) < table.columns.size(); }

// The column in front of it.
std::string in_front(const CapturedTable& table, std::size_t column) {
  return column == 0 ? "" : folded_name(table.columns[column - 1].name);
}

}  // namespace

CopiedColumns::CopiedColumns(sqlite3* db, const std::string& schema, const CapturedTable& from, const CapturedTable& to)
    : db_(db), from_(from), to_(to) {
  std::string condition, comparisons;
  for (std::size_t i = 0; i < to.columns.size(); ++i) {
    if (to.header.key[i] == 0) continue;
    if (!has(from, to.columns[i].name)) return;  // no row can be found again
    key_.push_back(place_of(from, to.columns[i].name));
    condition += (condition.empty() ? "" : " AND ") + quoted(to.columns[i].name) + " = ?" + std::to_string(key_.size());
  }
  for (std::size_t former = 0; former < from.columns.size(); ++former) {
    if (from.header.key[former] != 0 || has(to, from.columns[former].name)) continue;
    for (std::size_t present = 0; present < to.columns.size(); ++present) {
      if (to.header.key[present] != 0 || has(from, to.columns[present].name)) continue;
      pairs_.push_back({former, present, in_front(from, former) == in_front(to, present)});
      comparisons += (comparisons.empty() ? "" : ", ") + quoted(to.columns[present].name) + " IS ?" +
                     std::to_string(key_.size() + pairs_.size());
    }
  }
  constexpr std::size_t kPairsMax = 100;  // each takes a parameter
  if (pairs_.size() > kPairsMax) pairs_.clear();
  if (pairs_.empty()) return;
  // The affinity of the new column applies to the value that it is compared with.
  const std::string sql =
      "SELECT " + comparisons + " FROM " + quoted(schema) + "." + quoted(to.header.name) + " WHERE " + condition;
  if (sqlite3_prepare_v2(db, sql.c_str(), -1, &compare_, nullptr) != SQLITE_OK) throw_record_error(db, kCannotMatch);
}

CopiedColumns::~CopiedColumns() { sqlite3_finalize(compare_); }

bool CopiedColumns::any() const {
  return std::any_of(pairs_.begin(), pairs_.end(), [](const Pair& pair) { return pair.is_alike; });
}

void CopiedColumns::compare(const std::vector<Value>& row) {
  int index = 0;
  for (const std::size_t column : key_) bind_value(compare_, ++index, row[column]);
  for (const Pair& pair : pairs_) bind_value(compare_, ++index, row[pair.former]);
  const int rc = sqlite3_step(compare_);
  for (std::size_t i = 0; rc == SQLITE_ROW && i < pairs_.size(); ++i) {
    Pair& pair = pairs_[i];
    pair.is_alike = pair.is_alike && sqlite3_column_int(compare_, static_cast<int>(i)) != 0;
    if (row[pair.former].type == ValueType::kNull) continue;
    std::string value;
    append_value(value, row[pair.former]);
    if (pair.value.empty()) pair.value = value;
    pair.varied |= pair.value != value;
  }
  sqlite3_reset(compare_);
  if (rc != SQLITE_ROW && rc != SQLITE_DONE) throw_record_error(db_, kCannotMatch);
}

bool CopiedColumns::is_only_one(const Pair& pair) const {
  return std::count_if(pairs_.begin(), pairs_.end(), [&](const Pair& other) {
           return other.is_alike && (other.former == pair.former || other.present == pair.present);
         }) == 1;
}

std::map<std::string, std::string> CopiedColumns::renamed() const {
  std::map<std::string, std::string> names;
  for (const Pair& pair : pairs_) {
    if (!pair.is_alike || pair.value.empty() || !(pair.varied || pair.same_place) || !is_only_one(pair)) continue;
    names.emplace(from_.columns[pair.former].name, to_.columns[pair.present].name);
  }
  return names;
}

}  // namespace colony
