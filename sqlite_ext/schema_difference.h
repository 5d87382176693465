// What a transaction has done to a schema, told from the objects that there were before it
// and are now.
//
// Threads: none. Errors: SchemaDifferenceError, std::bad_alloc.
#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "sqlite_ext/schema_change.h"
#include "sqlite_ext/table_history.h"

namespace colony {

struct SchemaObject {
  std::string type;   // as sqlite_schema has it
  std::string table;  // that it belongs to; of a table or view, itself
  std::string sql;

  bool operator==(const SchemaObject&) const = default;
};

using SchemaObjects = std::map<std::string, SchemaObject>;  // by name

bool is_virtual_table(const SchemaObject& object);

// What is to be done where the schema is `before` to make it `now`, in an order in which it
// can be done. `fates` tells of each table in `before` what has become of it; one that is
// gone and has a namesake in `now` was remade. Throws SchemaDifferenceError if that cannot be
// told in changes, or is more than they say.
SchemaChanges difference(const SchemaObjects& before, const SchemaObjects& now,
                         const std::map<std::string, TableFate>& fates);

// The names of the columns that a CREATE TABLE statement defines.
std::vector<std::string> defined_columns(const std::string& create_table);
// The same with the quotes that they may have.
std::vector<std::string> defined_columns_as_written(const std::string& create_table);

// Its text follows the table's name.
class SchemaDifferenceError : public std::runtime_error {
 public:
  SchemaDifferenceError(std::string table, const std::string& what)
      : std::runtime_error(what), table_(std::move(table)) {}
  const std::string& table() const { return table_; }

 private:
  std::string table_;
};

}  // namespace colony
