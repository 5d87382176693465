#include "sqlite_ext/carry_over.h"

#include <algorithm>

#include "sqlite_ext/recorder.h"
#include "sqlite_ext/sql_tokens.h"
#include "sqlite_ext/statement_handle.h"

namespace colony {
namespace {

constexpr const char* kCannotCarry = "cannot compare a table with what it was made of";

}  // namespace

CarryOver::CarryOver(const CapturedTable& from, const CapturedTable& to,
                     const std::map<std::string, std::string>& fills,
                     const std::map<std::string, std::string>& for_null)
    : places_(to.columns.size()),
      fills_(to.columns.size()),
      for_null_(to.columns.size()),
      key_(to.header.key),
      row_(to.columns.size()),
      scratch_(SqliteHost::open_scratch()) {
  std::string columns, values, names;
  for (std::size_t i = 0; i < to.columns.size(); ++i) {
    const auto same = std::find_if(from.columns.begin(), from.columns.end(), [&](const CapturedColumn& column) {
      return folded_name(column.name) == folded_name(to.columns[i].name);
    });
    if (same != from.columns.end()) places_[i] = static_cast<std::size_t>(same - from.columns.begin());
    if (const auto fill = fills.find(to.columns[i].name); fill != fills.end()) fills_[i] = fill->second;
    if (const auto value = for_null.find(to.columns[i].name); value != for_null.end()) for_null_[i] = value->second;
    const std::string comma = i > 0 ? ", " : "";
    columns += comma + "c" + std::to_string(i) + " " + to.columns[i].type;
    names += comma + "c" + std::to_string(i);
    values += comma + "?" + std::to_string(i + 1);
  }
  const std::string put = "REPLACE INTO t(rowid, " + names + ") VALUES(1, " + values + ")";
  const std::string get = "SELECT " + names + " FROM t";
  if (scratch_ == nullptr ||
      sqlite3_exec(scratch_, ("CREATE TABLE t(" + columns + ")").c_str(), nullptr, nullptr, nullptr) != SQLITE_OK ||
      sqlite3_prepare_v2(scratch_, put.c_str(), -1, &put_, nullptr) != SQLITE_OK ||
      sqlite3_prepare_v2(scratch_, get.c_str(), -1, &get_, nullptr) != SQLITE_OK) {
    throw RecordError(std::string("colony: ") + kCannotCarry);
  }
}

CarryOver::~CarryOver() {
  sqlite3_finalize(put_);
  sqlite3_finalize(get_);
  sqlite3_close(scratch_);
}

const std::vector<Value>* CarryOver::carry(const std::vector<Value>& row) {
  sqlite3_reset(get_);
  for (std::size_t i = 0; i < places_.size(); ++i) {
    if (places_[i] && row[*places_[i]].type == ValueType::kNull && !for_null_[i].empty()) {
      std::string_view value = for_null_[i];
      bind_value(put_, static_cast<int>(i + 1), take_value(value));
    } else if (places_[i]) {
      bind_value(put_, static_cast<int>(i + 1), row[*places_[i]]);
    } else {
      std::string_view fill = fills_[i];
      bind_value(put_, static_cast<int>(i + 1), fill.empty() ? Value::null() : take_value(fill));
    }
  }
  sqlite3_step(put_);
  sqlite3_reset(put_);
  if (sqlite3_step(get_) != SQLITE_ROW) throw RecordError(std::string("colony: ") + kCannotCarry);
  for (std::size_t i = 0; i < row_.size(); ++i) {
    row_[i] = value_of(sqlite3_column_value(get_, static_cast<int>(i)));
    if (key_[i] != 0 && row_[i].type == ValueType::kNull) return nullptr;
  }
  return &row_;
}

}  // namespace colony
