#include "replicator/fold/table_statements.h"

#include <algorithm>

#include "replicator/store/sql_literal.h"
#include "sqlite_ext/captured_table.h"

namespace colony {
namespace {

// SQLite limits the depth of an expression; rows that are wider than this are
// compared by reading them.
constexpr std::size_t kComparedColumnsMax = 100;

std::string parameter(int index) { return "?" + std::to_string(index); }

}  // namespace

TableStatements::TableStatements(StatementCache& cache, const ReplicatedTable& table, std::size_t columns)
    : TableStatements(nullptr, &cache, table, columns) {}

TableStatements::TableStatements(Database& db, const ReplicatedTable& table, std::size_t columns)
    : TableStatements(std::make_unique<StatementCache>(db), nullptr, table, columns) {}

TableStatements::TableStatements(std::unique_ptr<StatementCache> own, StatementCache* cache,
                                 const ReplicatedTable& table, std::size_t columns)
    : own_cache_(std::move(own)),
      cache_(own_cache_ ? *own_cache_ : *cache),
      table_(table),
      columns_(columns),
      shape_(table.shape(columns)) {}

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

std::string TableStatements::insert_sql(const char* verb) const {
  std::string names, values;
  for (std::size_t i = 0; i < columns_; ++i) {
    names += (i ? "," : "") + quoted(table_.columns[i]);
    values += (i ? "," : "") + parameter(static_cast<int>(i + 1));
  }
  for (std::size_t i = columns_; i < table_.columns.size(); ++i) {
    if (table_.without_value[i] == WithoutValue::kDefault && table_.fills[i].empty()) continue;
    const std::string value = table_.value_without(i);
    std::string_view encoded = value;
    names += "," + quoted(table_.columns[i]);
    values += "," + sql_literal(take_value(encoded));
  }
  return verb + (" INTO main." + quoted(table_.name)) + "(" + names + ") VALUES(" + values + ")";
}

int TableStatements::put_in(Statement& statement, const std::vector<Value>& row) {
  for (std::size_t i = 0; i < columns_; ++i) statement.bind(static_cast<int>(i + 1), row[i]);
  return execute(statement);
}

int TableStatements::insert(const std::vector<Value>& row) {
  // OR ABORT where an ON CONFLICT clause of the schema would decide else. Not everywhere,
  // as it would also decide for what triggers insert.
  return put_in(
      cache_.use(insert_, [&] { return insert_sql(table_.resolves_conflicts ? "INSERT OR ABORT" : "INSERT"); }), row);
}

int TableStatements::insert_or_replace(const std::vector<Value>& row) {
  return put_in(cache_.use(insert_or_replace_, [&] { return insert_sql("INSERT OR REPLACE"); }), row);
}

std::string TableStatements::update_sql(Verb verb, const std::vector<Value>& values) const {
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
  return (table_.resolves_conflicts ? "UPDATE OR ABORT main." : "UPDATE main.") + quoted(table_.name) + " SET " +
         assignments + " WHERE " + key_condition(index) + comparisons;
}

Statement& TableStatements::update_statement(Verb verb, const std::vector<Value>& values) {
  wanted_shape_.assign(1, static_cast<char>(verb));
  for (std::size_t i = 0; i < columns_; ++i) wanted_shape_ += values[i].defined() ? '1' : '0';
  auto update = std::find_if(updates_.begin(), updates_.end(),
                             [this](const Update& known) { return known.shape == wanted_shape_; });
  if (update == updates_.end()) {
    if (updates_.size() == kUpdatesMax) updates_.pop_back();
    update = updates_.emplace(updates_.begin());
    update->shape = wanted_shape_;
  } else if (update != updates_.begin()) {
    updates_.splice(updates_.begin(), updates_, update);
  }
  return cache_.use(update->place, [&] { return update_sql(verb, values); });
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
  matched = rc == SQLITE_DONE && sqlite3_changes(cache_.db().handle()) == 1;
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

std::string TableStatements::delete_exact_sql() const {
  std::string comparisons;
  int index = 1;
  for (std::size_t i = 0; i < columns_; ++i) {
    if (table_.key[i] != 0) continue;
    comparisons += " AND " + quoted(table_.columns[i]) + " COLLATE BINARY IS " + parameter(index++);
  }
  return "DELETE FROM main." + quoted(table_.name) + " WHERE " + key_condition(index) + comparisons;
}

int TableStatements::delete_exact(const Change& change, bool& matched) {
  if (columns_ > kComparedColumnsMax) {
    matched = false;
    return SQLITE_DONE;
  }
  Statement& statement = cache_.use(delete_exact_, [this] { return delete_exact_sql(); });
  int index = 1;
  for (std::size_t i = 0; i < columns_; ++i) {
    if (table_.key[i] == 0) statement.bind(index++, change.before[i]);
  }
  bind_key(statement, index, change.before);
  const int rc = execute(statement);
  matched = rc == SQLITE_DONE && sqlite3_changes(cache_.db().handle()) == 1;
  return rc;
}

int TableStatements::erase(const std::vector<Value>& key) {
  Statement& statement =
      cache_.use(erase_, [this] { return "DELETE FROM main." + quoted(table_.name) + " WHERE " + key_condition(1); });
  bind_key(statement, 1, key);
  return execute(statement);
}

std::string TableStatements::select_sql() const {
  std::string names;
  for (std::size_t i = 0; i < columns_; ++i) names += (i ? "," : "") + quoted(table_.columns[i]);
  return "SELECT " + names + " FROM main." + quoted(table_.name) + " WHERE " + key_condition(1);
}

bool TableStatements::select(const std::vector<Value>& key, std::vector<Value>& row, std::string& storage) {
  Statement& statement = cache_.use(select_, [this] { return select_sql(); });
  bind_key(statement, 1, key);
  const bool found = statement.step();
  if (found) {
    storage.clear();
    for (std::size_t i = 0; i < columns_; ++i) append_value(storage, statement.value(static_cast<int>(i)));
    row.resize(columns_);
    std::string_view rest = storage;
    for (Value& value : row) value = take_value(rest);
  }
  statement.reset();
  return found;
}

}  // namespace colony
