#include "replicator/fold/schema_fold.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "replicator/fold/index_statement.h"
#include "replicator/fold/json.h"
#include "replicator/fold/schema_matching.h"
#include "replicator/fold/schema_statements.h"
#include "replicator/store/file_layout.h"
#include "replicator/store/replicated_schema.h"
#include "replicator/store/sql_literal.h"
#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/layout_log.h"
#include "sqlite_ext/new_columns.h"
#include "sqlite_ext/sql_tokens.h"
#include "sqlite_ext/table_definition.h"

namespace colony {
namespace {

using Kind = SchemaChange::Kind;

constexpr const char* kStagingTable = "__colony_remade";

// Those that are others now.
SchemaTexts texts_changed(const SchemaTexts& before, const SchemaTexts& now, const SchemaChange& rename) {
  const bool is_table = rename.kind == Kind::kRenameTable;
  const std::map<std::string, std::string> present(now.begin(), now.end());
  SchemaTexts changed;
  for (const auto& [name, sql] : before) {
    const auto is = present.find(is_table && name == rename.name ? rename.to : name);
    if (is != present.end() && is->second != sql) changed.emplace_back(name, sql);
  }
  return changed;
}

// Whether SQLite adds such a column to a table that has rows: it has a constant for them.
bool is_added_to_rows(const std::string& definition) {
  sqlite3* const scratch = SqliteHost::open_scratch();
  const std::string sql = "CREATE TABLE t(k); INSERT INTO t VALUES(1); ALTER TABLE t ADD COLUMN " + definition;
  const bool is = sqlite3_exec(scratch, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK;
  sqlite3_close(scratch);
  return is;
}

// "a", "b": each name quoted, between `before` and `after`.
std::string joined(const std::vector<std::string>& names, const std::string& before, const std::string& after,
                   const char* separator) {
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : separator) + before + quoted(name) + after;
  return all;
}

std::string encoded_literal(std::string_view value) { return sql_literal(take_value(value)); }

}  // namespace

void SchemaFold::apply(const SchemaChanges& changes) {
  for (const SchemaChange& change : changes) apply_one(change);
}

// A table that others have renamed meanwhile is changed under its new name.
void SchemaFold::follow_renamed(SchemaChange& change) const {
  if (change.kind != Kind::kAddColumn && change.kind != Kind::kRenameColumn) return;
  if (!present_sql(db_, "table", change.name).empty()) return;
  const std::string now = history_.layouts.follow(history_.known, change.name, {}).table;
  if (!now.empty()) change.name = now;
}

void SchemaFold::apply_one(SchemaChange change) {
  follow_renamed(change);
  if (is_own_name(change.name) || is_own_name(change.to)) {
    throw ChangesetError("it changes " + change.name + ", which is not the app's");
  }
  switch (change.kind) {
    case Kind::kCreate:
      return create(change);
    case Kind::kDrop:
      return drop(change);
    case Kind::kAddColumn:
      return add_column(change);
    case Kind::kRenameTable:
      return rename_table(change);
    case Kind::kRenameColumn:
      return rename_column(change);
    case Kind::kRemake:
      return remake(change);
    case Kind::kReplace:
      return replace(change);
  }
}

void SchemaFold::lose(const SchemaChange& change) {
  const std::string name = change.column.empty() ? change.name : change.name + "." + change.column;
  JsonObject lost;
  if (!change.to.empty()) lost.add("renamed_to", change.to);
  if (!change.sql.empty()) lost.add("sql", change.sql);
  if (change.kind == Kind::kDrop) lost.add("dropped", true);
  conflicts_.add({ConflictKind::kSchemaDiffers, change.name,
                  JsonObject().add(change.column.empty() ? change.type : "column", name).text(), lost.text()});
}

void SchemaFold::create(const SchemaChange& change) {
  if (change.type == "table") return create_table(change);
  const std::string present = present_sql(db_, change.type, change.name);
  if (!present.empty()) {
    if (!same_statement(present, change.sql)) lose(change);
  } else if (!create_on_what_is_there(change)) {
    // What was dropped with its table is not missed.
    const std::string table = change.type == "index" ? indexed_table(change.sql) : "";
    if (!present_sql(db_, "table", table).empty() || !was_dropped_meanwhile(history_, table)) lose(change);
  }
}

// False if others have dropped or renamed what it is about.
bool SchemaFold::create_on_what_is_there(const SchemaChange& change) {
  if (change.type == "index" && !has_columns_of(db_, change.sql)) return false;
  try {
    db_.execute("SAVEPOINT making");
    if (leaves_rows_alone(change)) {
      run_schema_statement(db_, change, change.sql);
      done_.push_back(change);
    } else {
      create_unique_index(change);
    }
    db_.execute("RELEASE making");
    return true;
  } catch (const Error& error) {
    const std::string why = error.what();
    if (why.find("no such column") == std::string::npos && why.find("no such table") == std::string::npos) throw;
    db_.execute("ROLLBACK TO making; RELEASE making");
    return false;
  }
}

void SchemaFold::create_table(const SchemaChange& change) {
  const std::string present = present_sql(db_, "table", change.name);
  if (present.empty() && was_made_meanwhile(history_, change)) return;
  if (present.empty()) {
    run_schema_statement(db_, change, change.sql);
    if (is_virtual(change.sql)) {
      fill_virtual_table(db_, change);
    } else if (has_key(db_, change.name)) {
      take_in_table(db_, change.name);
    }
    done_.push_back(change);
    return;
  }
  if (!is_made_already(present, change.sql)) {
    if (!was_made_meanwhile(history_, change)) lose(change);
    return;
  }
  if (is_virtual(change.sql) || !has_key(db_, change.name) || is_replicated(db_, change.name)) return;
  if (db_.query_integer("SELECT EXISTS(SELECT 1 FROM main." + quoted(change.name) + ")") != 0) {
    throw SchemaMismatch("creates table " + change.name + ", which this file has already, with rows that are its own",
                         "rename or empty that table here, and this node goes on by itself");
  }
  take_in_table(db_, change.name);
}

// Of rows that it would refuse, the one with the greatest key stays.
void SchemaFold::create_unique_index(const SchemaChange& change) {
  const auto [terms, condition] = index_terms(change.sql);
  const std::string table = indexed_table(change.sql);
  const std::vector<std::string> key = key_of(db_, table);
  if (!key.empty() && !terms.empty()) {
    std::string same, present;
    for (const std::string& term : terms) {
      same += (same.empty() ? "" : ", ") + term;
      present += " AND (" + term + ") NOTNULL";
    }
    const std::string keys = joined(key, "", "", ", ");
    displace(table, "(" + keys + ") IN (SELECT " + keys + " FROM (SELECT " + keys +
                        ", row_number() OVER (PARTITION BY " + same + " ORDER BY " + joined(key, "", " DESC", ", ") +
                        ") AS place FROM main." + quoted(table) + " WHERE " +
                        (condition.empty() ? "1" : "(" + condition + ")") + present + ") WHERE place > 1)");
  }
  run_schema_statement(db_, change, change.sql);
  follow_table(db_, table);
  done_.push_back(change);
}

// Deletes rows for which a constraint has no room.
void SchemaFold::displace(const std::string& table, const std::string& condition) {
  const std::string from = " FROM main." + quoted(table) + " WHERE " + condition;
  if (db_.query_integer("SELECT EXISTS(SELECT 1" + from + ")") == 0) return;
  destroy_rows(table, condition);
  const ReplicatedTable definition = read_table(db_, table);
  Statement select(db_, "SELECT " + joined(definition.columns, "", "", ", ") + from + " ORDER BY " +
                            joined(key_of(db_, table), "", "", ", "));
  while (select.step()) {
    std::vector<Value> row(definition.columns.size()), key(definition.columns.size());
    for (std::size_t i = 0; i < row.size(); ++i) {
      row[i] = select.value(static_cast<int>(i));
      if (definition.key[i] != 0) key[i] = row[i];
    }
    conflicts_.add(
        {ConflictKind::kDisplaced, table, json_row(definition.columns, key), json_row(definition.columns, row)});
  }
  select.reset();
  db_.execute("DELETE" + from);
}

void SchemaFold::drop(const SchemaChange& change) {
  const std::string present = present_sql(db_, change.type, change.name);
  if (present.empty()) return;
  if (change.type == "table") return drop_table(change);
  if (!same_statement(present, change.sql)) return lose(change);
  drop_object(db_, change);
  done_.push_back(change);
}

void SchemaFold::drop_table(const SchemaChange& change) {
  if (!is_same_table(present_sql(db_, "table", change.name), change.sql)) return lose(change);
  const bool is_shared = has_key(db_, change.name);
  if (!is_shared && is_left_out(db_, change.name)) return;  // it is this node's own
  destroy_rows(change.name, "1");
  drop_objects_of(change.name);
  if (is_shared) note_layout(change);
  colony::drop_table(db_, change);
  done_.push_back(change);
}

// Each by itself, so that each is known when the table comes back.
void SchemaFold::drop_objects_of(const std::string& table) {
  SchemaChanges objects;
  Statement select(db_,
                   "SELECT type, name, sql FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql NOTNULL AND "
                   "tbl_name = ?1 COLLATE NOCASE ORDER BY type = 'index', name");
  select.bind(1, table);
  while (select.step()) {
    if (is_own_name(select.text(1))) continue;
    objects.push_back({Kind::kDrop, std::string(select.text(0)), std::string(select.text(1)), "",
                       std::string(select.text(2)), "", ""});
  }
  select.reset();
  for (const SchemaChange& object : objects) drop(object);
}

// Remembers rows that are about to go.
void SchemaFold::destroy_rows(const std::string& table, const std::string& condition) {
  if (destroyed_ == nullptr || !has_key(db_, table)) return;
  const ReplicatedTable definition = read_table(db_, table);
  Statement select(db_, "SELECT " + joined(definition.columns, "", "", ", ") + " FROM main." + quoted(table) +
                            " WHERE " + condition);
  std::vector<Value> row(definition.columns.size());
  bool any = false;
  while (select.step()) {
    if (!std::exchange(any, true)) ChangesetWriter(destroyed_->tail()).begin_table({table, definition.key});
    for (std::size_t i = 0; i < row.size(); ++i) row[i] = select.value(static_cast<int>(i));
    ChangesetWriter(destroyed_->tail()).add(Operation::kDelete, row, {});
    destroyed_->settle();
  }
}

void SchemaFold::replace(const SchemaChange& change) {
  const std::string present = present_sql(db_, change.type, change.name);
  if (same_statement(present, change.sql)) return;
  if (present.empty()) {
    SchemaChange made = change;
    made.kind = Kind::kCreate;
    made.former.clear();
    return create(made);
  }
  if (!same_statement(present, change.former)) return lose(change);
  SchemaChange gone = change, made = change;
  gone.kind = Kind::kDrop;
  gone.sql = present;
  made.kind = Kind::kCreate;
  gone.former.clear();
  made.former.clear();
  drop(gone);
  create(made);
}

void SchemaFold::add_column(const SchemaChange& change) {
  const std::string present = present_sql(db_, "table", change.name);
  if (present.empty()) return lose(change);
  if (const std::string known = column_definition(present, change.column); !known.empty()) {
    if (!same_statement(known, change.sql)) lose(change);
    return;
  }
  if (was_renamed_meanwhile(history_, change)) return;
  const bool has_rows = db_.query_integer("SELECT EXISTS(SELECT 1 FROM main." + quoted(change.name) + ")") != 0;
  if (has_rows && !is_added_to_rows(change.sql)) return add_column_by_remake(change, present);
  run_schema_statement(db_, change, "ALTER TABLE " + quoted(change.name) + " ADD COLUMN " + change.sql);
  follow_table(db_, change.name);
  done_.push_back(change);
}

// Where the origin had no rows, SQLite allowed it to add a column that rows which are there
// cannot just get.
void SchemaFold::add_column_by_remake(const SchemaChange& change, const std::string& present) {
  SchemaChange wider{Kind::kRemake, "table", change.name, "", with_column(present, change), "", present};
  if (wider.sql.empty()) return lose(change);
  std::string none;
  append_value(none, Value::null());
  wider.fills.emplace_back(change.column, none);
  remake(wider);
}

void SchemaFold::rename_table(const SchemaChange& change) {
  const bool is_there = !present_sql(db_, "table", change.name).empty();
  const bool is_renamed = !present_sql(db_, "table", change.to).empty();
  if (!is_there && is_renamed) return;
  if (!is_there || (is_renamed && folded_name(change.name) != folded_name(change.to))) return lose(change);
  note_layout(change);
  const SchemaTexts before = schema_texts(db_);
  colony::rename_table(db_, change);
  done_.push_back(change);
  done_.back().fills = texts_changed(before, schema_texts(db_), change);
}

void SchemaFold::rename_column(const SchemaChange& change) {
  const bool is_there = has_column(db_, change.name, change.column);
  const bool is_renamed = has_column(db_, change.name, change.to);
  if (!is_there && is_renamed) return;
  if (!is_there || (is_renamed && folded_name(change.column) != folded_name(change.to))) return lose(change);
  note_layout(change);
  const SchemaTexts before = schema_texts(db_);
  colony::rename_column(db_, change);
  done_.push_back(change);
  done_.back().fills = texts_changed(before, schema_texts(db_), change);
}

void SchemaFold::remake(const SchemaChange& change) {
  const std::string present = present_sql(db_, "table", change.name);
  const bool is_former = !present.empty() && is_same_table(present, change.former);
  if (!is_former && (is_same_table(present, change.sql) || was_remade(history_.layouts, change))) return;
  if (!is_former || !has_key(db_, change.name)) return lose(change);
  destroy_rows(change.name, "1");
  drop_objects_of(change.name);
  note_layout(change);
  run_schema_statement(db_, change, with_table_name(change.sql, kStagingTable));
  copy_rows(change);
  SchemaChange staged = change;
  staged.name = kStagingTable;
  staged.to = change.name;
  colony::drop_table(db_, change);
  colony::rename_table(db_, staged);
  set_texts(db_, {{change.name, change.sql}});
  if (has_key(db_, change.name)) take_in_table(db_, change.name);
  rewritten_.insert(change.name);
  SchemaChange made = change;
  made.former = present;
  done_.push_back(std::move(made));
}

void SchemaFold::copy_rows(const SchemaChange& change) {
  std::vector<std::string> columns;
  std::string values;
  const std::map<std::string, std::string> for_null = values_for_null(db_.handle(), "main", kStagingTable);
  Statement info(db_, "SELECT name FROM pragma_table_info(?1) ORDER BY cid");
  info.bind(1, std::string_view(kStagingTable));
  while (info.step()) {
    const std::string name(info.text(0));
    std::string value;
    if (has_column(db_, change.name, name)) {
      value = "old." + quoted(name);
      if (const auto instead = for_null.find(name); instead != for_null.end()) {
        value = "coalesce(" + value + ", " + encoded_literal(instead->second) + ")";
      }
    } else {
      const auto fill = std::find_if(change.fills.begin(), change.fills.end(),
                                     [&](const auto& known) { return known.first == name; });
      if (fill == change.fills.end()) continue;
      const auto instead = for_null.find(name);
      std::string_view encoded = fill->second;
      const bool is_null = take_value(encoded).type == ValueType::kNull;
      value = encoded_literal(is_null && instead != for_null.end() ? instead->second : fill->second);
    }
    columns.push_back(name);
    values += (values.empty() ? "" : ", ") + value;
  }
  info.reset();
  const std::vector<std::string> key = key_of(db_, change.name);
  std::string has_key;
  for (const std::string& name : key_of(db_, kStagingTable)) {
    if (!has_column(db_, change.name, name)) return;  // no row has a key
    has_key += (has_key.empty() ? "WHERE old." : " AND old.") + quoted(name) + " NOTNULL";
  }
  const std::string insert = "INSERT OR REPLACE INTO " + quoted(kStagingTable) + "(" + joined(columns, "", "", ", ") +
                             ") SELECT " + values + " FROM main." + quoted(change.name) + " AS old " + has_key;
  Statement all(db_, insert + " ORDER BY " + joined(key, "old.", "", ", "));
  const int rc = all.try_step();
  all.reset();
  if (rc == SQLITE_CONSTRAINT_DATATYPE || rc == SQLITE_MISMATCH) {
    copy_one_by_one(change.name, key, insert);
  } else if (rc != SQLITE_DONE) {
    throw SqliteError(rc, "rows of table " + change.name + " cannot be carried over: " + sqlite3_errmsg(db_.handle()));
  }
  std::string same;
  for (const std::string& name : key_of(db_, kStagingTable)) {
    same +=
        " AND " + quoted(kStagingTable) + "." + quoted(name) + " IS main." + quoted(change.name) + "." + quoted(name);
  }
  if (same.empty()) return;
  Spill* const destroyed = std::exchange(destroyed_, nullptr);  // all rows are among them
  displace(change.name, "NOT EXISTS(SELECT 1 FROM " + quoted(kStagingTable) + " WHERE 1" + same + ")");
  destroyed_ = destroyed;
}

// A STRICT table does not take every row, nor an INTEGER PRIMARY KEY every key.
void SchemaFold::copy_one_by_one(const std::string& table, const std::vector<std::string>& key,
                                 const std::string& insert) {
  std::string condition;
  for (const std::string& name : key) {
    condition += " AND old." + quoted(name) + " IS ?" + std::to_string(&name - key.data() + 1);
  }
  Statement keys(db_, "SELECT " + joined(key, "", "", ", ") + " FROM main." + quoted(table) + " ORDER BY " +
                          joined(key, "", "", ", "));
  Statement one(db_, insert + condition);
  while (keys.step()) {
    for (std::size_t i = 0; i < key.size(); ++i) {
      one.bind(static_cast<int>(i + 1), keys.value(static_cast<int>(i)));
    }
    const int rc = one.try_step();
    one.reset();
    if (rc != SQLITE_DONE && rc != SQLITE_CONSTRAINT_DATATYPE && rc != SQLITE_MISMATCH) {
      throw SqliteError(rc, "a row of table " + table + " cannot be carried over: " + sqlite3_errmsg(db_.handle()));
    }
  }
}

void SchemaFold::note_layout(const SchemaChange& change) {
  append_layout(db_.handle(), "main", change, columns_of_table(db_, change.name));
}

}  // namespace colony
