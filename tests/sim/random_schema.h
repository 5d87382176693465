// Draws a database's schema: keys of every kind, several unique indexes,
// generated columns, foreign keys with what they cascade, triggers.
#pragma once

#include <string>
#include <vector>

#include "tests/sim/random.h"

namespace colony::sim {

struct RandomSchema {
  std::string tables_sql;                // with what belongs to them
  std::vector<std::string> indexes_sql;  // each node makes them in an order of its own
  std::vector<std::string> audited;      // tables whose inserts leave a row in "audit"
  bool utf16 = false;
};

struct SchemaFeatures {
  bool unique_indexes = true;
  bool foreign_keys = true;
  bool triggers = true;
  bool odd_names = true;
  bool null_keys = true;  // a row may have NULL in its key as far as SQLite is concerned
};

RandomSchema random_schema(Random random, const SchemaFeatures& features);

}  // namespace colony::sim
