#include "replicator/fold/type_conversion.h"

namespace colony {
namespace {

Database scratch_table(const std::vector<std::string>& types) {
  Database db(":memory:", Database::Mode::kReadWrite);
  std::string columns;
  for (std::size_t i = 0; i < types.size(); ++i) {
    columns += (i > 0 ? ", c" : "c") + std::to_string(i) + " " + types[i];
  }
  db.execute("CREATE TABLE t(" + columns + ")");
  return db;
}

std::string put_sql(std::size_t columns) {
  std::string values;
  for (std::size_t i = 0; i < columns; ++i) values += (i > 0 ? ", ?" : "?") + std::to_string(i + 1);
  return "REPLACE INTO t VALUES(" + values + ")";
}

}  // namespace

TypeConversion::TypeConversion(const std::vector<std::string>& types)
    : db_(scratch_table(types)), put_(db_, put_sql(types.size())), get_(db_, "SELECT * FROM t") {}

void TypeConversion::convert(std::vector<Value>& row) {
  db_.execute("DELETE FROM t");
  for (std::size_t i = 0; i < row.size(); ++i) {
    put_.bind(static_cast<int>(i + 1), row[i].defined() ? row[i] : Value::null());
  }
  put_.run();
  if (!get_.step()) return;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const Value stored = get_.value(static_cast<int>(i));
    if (!row[i].defined() || identical(stored, row[i])) continue;
    if (stored.type != ValueType::kText) {
      row[i] = stored;
      continue;
    }
    storage_.emplace_back(stored.bytes());
    row[i] = Value::of_text(storage_.back());
  }
  get_.reset();
}

}  // namespace colony
