#include "replicator/store/table_statements.h"

#include "sqlite_ext/captured_table.h"

namespace colony {
namespace {

// SQLite limits the depth of an expression; rows that are wider than this are
// compared by reading them.
constexpr std::size_t kComparedColumnsMax = 100;

std::string parameter(int index) { return "?" + std::to_string(index); }

}  // namespace

TableStatements::TableStatements(Database& db, const ReplicatedTable& table, std::size_t columns)
    : db_(db), table_(table), columns_(columns), shape_(table.shape(columns)) {}

std::string TableStatements::key_condition(int first) const {
  std::string sql;
  for (std::size_t i = 0; i < columns_; ++i) {
    if (table_.key[i] == 0) continue;
    if (!sql.empty()) sql += " AND ";
    sql += quoted(table_.columns[i]);
    if (!table_.rowid_key) sql += std::string(" COLLATE ") + collation_name(table_.key_collations[i]);
    sql += " = " + parameter(first++);
  }
  return sql;
}

int TableStatements::bind_key(Statement& statement, int index, const std::vector<Value>& values) const {
  for (std::size_t i = 0; i < columns_; ++i) {
    if (table_.key[i] != 0) statement.bind(index++, values[i]);
  }
  return index;
}

int TableStatements::execute(Statement& statement) {
  const int rc = statement.try_step();
  statement.reset();
  return rc;
}

int TableStatements::insert(const std::vector<Value>& row) {
  if (!insert_) {
    std::string names, values;
    for (std::size_t i = 0; i < columns_; ++i) {
      names += (i ? "," : "") + quoted(table_.columns[i]);
      values += (i ? "," : "") + parameter(static_cast<int>(i + 1));
    }
    const std::string tail = " INTO main." + quoted(table_.name) + "(" + names + ") VALUES(" + values + ")";
    // OR ABORT: no ON CONFLICT clause of the schema decides.
    insert_ = Statement(db_, "INSERT OR ABORT" + tail);
    insert_or_replace_ = Statement(db_, "INSERT OR REPLACE" + tail);
  }
  for (std::size_t i = 0; i < columns_; ++i) insert_.bind(static_cast<int>(i + 1), row[i]);
  return execute(insert_);
}

int TableStatements::insert_or_replace(const std::vector<Value>& row) {
  COLONY_ASSERT(insert_or_replace_);  // insert() is always tried first
  for (std::size_t i = 0; i < columns_; ++i) insert_or_replace_.bind(static_cast<int>(i + 1), row[i]);
  return execute(insert_or_replace_);
}

Statement& TableStatements::update_statement(Verb verb, const std::vector<Value>& values) {
  std::string shape(1, static_cast<char>(verb));
  for (std::size_t i = 0; i < columns_; ++i) shape += values[i].defined() ? '1' : '0';
  Statement& statement = updates_[shape];
  if (statement) return statement;
  std::string assignments, comparisons;
  int index = 1;
  for (std::size_t i = 0; i < columns_; ++i) {
    if (!values[i].defined()) continue;
    assignments += (index > 1 ? "," : "") + quoted(table_.columns[i]) + " = " + parameter(index);
    ++index;
  }
  if (verb == Verb::kUpdateExact) {
    for (std::size_t i = 0; i < columns_; ++i) {
      if (values[i].defined()) {
        comparisons += " AND " + quoted(table_.columns[i]) + " COLLATE BINARY IS " + parameter(index++);
      }
    }
  }
  statement = Statement(db_, "UPDATE OR ABORT main." + quoted(table_.name) + " SET " + assignments + " WHERE " +
                                 key_condition(index) + comparisons);
  return statement;
}

int TableStatements::update_exact(const Change& change, bool& matched) {
  std::size_t changed = 0;
  for (const Value& value : change.after) changed += value.defined();
  if (changed > kComparedColumnsMax) {
    matched = false;
    return SQLITE_DONE;
  }
  Statement& statement = update_statement(Verb::kUpdateExact, change.after);
  int index = 1;
  for (const Value& value : change.after) {
    if (value.defined()) statement.bind(index++, value);
  }
  for (std::size_t i = 0; i < columns_; ++i) {
    if (change.after[i].defined()) statement.bind(index++, change.before[i]);
  }
  bind_key(statement, index, change.before);
  const int rc = execute(statement);
  matched = rc == SQLITE_DONE && sqlite3_changes(db_.handle()) == 1;
  return rc;
}

int TableStatements::update(const std::vector<Value>& key, const std::vector<Value>& values) {
  Statement& statement = update_statement(Verb::kUpdate, values);
  int index = 1;
  for (const Value& value : values) {
    if (value.defined()) statement.bind(index++, value);
  }
  bind_key(statement, index, key);
  return execute(statement);
}

int TableStatements::delete_exact(const Change& change, bool& matched) {
  if (columns_ > kComparedColumnsMax) {
    matched = false;
    return SQLITE_DONE;
  }
  if (!delete_exact_) {
    std::string comparisons;
    int index = 1;
    for (std::size_t i = 0; i < columns_; ++i) {
      if (table_.key[i] != 0) continue;
      comparisons += " AND " + quoted(table_.columns[i]) + " COLLATE BINARY IS " + parameter(index++);
    }
    delete_exact_ =
        Statement(db_, "DELETE FROM main." + quoted(table_.name) + " WHERE " + key_condition(index) + comparisons);
  }
  int index = 1;
  for (std::size_t i = 0; i < columns_; ++i) {
    if (table_.key[i] == 0) delete_exact_.bind(index++, change.before[i]);
  }
  bind_key(delete_exact_, index, change.before);
  const int rc = execute(delete_exact_);
  matched = rc == SQLITE_DONE && sqlite3_changes(db_.handle()) == 1;
  return rc;
}

int TableStatements::erase(const std::vector<Value>& key) {
  if (!erase_) {
    erase_ = Statement(db_, "DELETE FROM main." + quoted(table_.name) + " WHERE " + key_condition(1));
  }
  bind_key(erase_, 1, key);
  return execute(erase_);
}

bool TableStatements::select(const std::vector<Value>& key, std::vector<Value>& row, std::string& storage) {
  if (!select_) {
    std::string names;
    for (std::size_t i = 0; i < columns_; ++i) names += (i ? "," : "") + quoted(table_.columns[i]);
    select_ = Statement(db_, "SELECT " + names + " FROM main." + quoted(table_.name) + " WHERE " + key_condition(1));
  }
  bind_key(select_, 1, key);
  const bool found = select_.step();
  if (found) {
    storage.clear();
    for (std::size_t i = 0; i < columns_; ++i) append_value(storage, select_.value(static_cast<int>(i)));
    row.resize(columns_);
    std::string_view rest = storage;
    for (Value& value : row) value = take_value(rest);
  }
  select_.reset();
  return found;
}

}  // namespace colony
