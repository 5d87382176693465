// What an app does: SQL drawn at random for a schema. The text depends on the
// schema and the random numbers only, never on what is in the tables, so that a
// step says the same whatever was left out before it. Values come from small
// domains: nodes are to get into each other's way.
#pragma once

#include <string>
#include <vector>

#include "tests/sim/random.h"
#include "tests/sim/schema.h"

namespace colony::sim {

struct WorkloadFeatures {
  bool odd_values = true;
  bool invalid_text = true;  // bytes that are no UTF-8
  bool large_transactions = true;
};

class Workload {
 public:
  Workload(const Schema& schema, WorkloadFeatures features, Random& random)
      : schema_(schema), features_(features), random_(random) {}

  // One transaction, statement by statement: BEGIN to COMMIT or ROLLBACK, or a
  // single statement.
  std::vector<std::string> transaction();
  std::string statement();

 private:
  std::string insert(const Table& table);
  std::string insert_select(const Table& table);
  std::string update(const Table& table);
  std::string key_change(const Table& table);
  std::string swap(const Table& table);
  std::string erase(const Table& table);
  std::string large(const Table& table);
  std::string or_clause();
  std::string upsert_clause(const Table& table);
  std::string row(const Table& table);
  std::string condition(const Table& table);
  std::string value(const Table& table, std::size_t column);
  std::string key_value(const Table& table, std::size_t column);
  std::string odd_value();
  const Table& any_table() { return random_.pick(schema_.tables); }
  const Column& any_column(const Table& table) { return random_.pick(table.columns); }
  const Column& any_data_column(const Table& table);

  const Schema& schema_;
  WorkloadFeatures features_;
  Random& random_;
};

}  // namespace colony::sim
