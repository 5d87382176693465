// The rows of a table that is remade, as SQLite carries them over by the names of their
// columns: with the types of the new columns, and given values in those that are new.
//
// Threads: one. Errors: RecordError, std::bad_alloc.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sqlite_ext/captured_table.h"

namespace colony {

class CarryOver {
 public:
  // `fills` has the encoded values of columns of `to` that `from` lacks; `for_null`, what
  // columns have that may not be NULL, instead of it.
  CarryOver(const CapturedTable& from, const CapturedTable& to, const std::map<std::string, std::string>& fills,
            const std::map<std::string, std::string>& for_null);
  ~CarryOver();
  CarryOver(const CarryOver&) = delete;
  CarryOver& operator=(const CarryOver&) = delete;

  // The row under the new columns; null if that leaves its key without a value. Its values are views, good until the
  // next call.
  const std::vector<Value>* carry(const std::vector<Value>& row);

 private:
  std::vector<std::optional<std::size_t>> places_;  // per new column
  std::vector<std::string> fills_, for_null_;       // likewise, encoded
  std::vector<std::uint8_t> key_;                   // likewise
  std::vector<Value> row_;
  sqlite3* scratch_ = nullptr;
  sqlite3_stmt *put_ = nullptr, *get_ = nullptr;
};

}  // namespace colony
