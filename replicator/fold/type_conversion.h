// Values as SQLite stores them in columns of other types: '7' in an INTEGER column is 7, and 7 in
// a TEXT column is '7' (sqlite.org/datatype3.html, 3). SQLite itself does it, in a table in
// memory.
//
// Threads: one. Errors: SqliteError, std::bad_alloc.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "replicator/store/sqlite.h"
#include "sqlite_ext/changeset.h"

namespace colony {

class TypeConversion {
 public:
  // Of rows of columns that were declared with these types.
  explicit TypeConversion(const std::vector<std::string>& types);

  // Those values that are not defined stay so. What is converted is good until forget().
  void convert(std::vector<Value>& row);
  void forget() { storage_.clear(); }

 private:
  Database db_;
  Statement put_, get_;
  std::deque<std::string> storage_;
};

}  // namespace colony
