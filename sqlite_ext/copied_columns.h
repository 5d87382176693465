// Which columns of a table that is made anew were copied under other names, told from the rows:
// the new column has in all of them what the former one had. That may be by chance where it is
// one value; then both must stand behind the same column, as tools leave them.
//
// Threads: one. Errors: RecordError, std::bad_alloc.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sqlite_ext/captured_table.h"

namespace colony {

class CopiedColumns {
 public:
  // `to` is `schema`.`table` as it is now. Both must outlive it.
  CopiedColumns(sqlite3* db, const std::string& schema, const CapturedTable& from, const CapturedTable& to);
  ~CopiedColumns();
  CopiedColumns(const CopiedColumns&) = delete;
  CopiedColumns& operator=(const CopiedColumns&) = delete;

  // Whether there may still be some.
  bool any() const;
  // A row that the former table had.
  void compare(const std::vector<Value>& row);
  // Once all rows have been compared: the present names, by the former ones.
  std::map<std::string, std::string> renamed() const;

 private:
  struct Pair {
    std::size_t former, present;  // columns
    bool same_place = false;
    bool is_alike = true;
    std::string value = {};  // encoded: the first one that is not NULL
    bool varied = false;
  };
  bool is_only_one(const Pair& pair) const;

  sqlite3* db_;
  const CapturedTable &from_, &to_;
  std::vector<std::size_t> key_;  // columns of from_, in the order of those of to_
  std::vector<Pair> pairs_;
  sqlite3_stmt* compare_ = nullptr;
};

}  // namespace colony
