#include "replicator/fold/schema_statements.h"

#include <vector>

#include "replicator/store/file_layout.h"
#include "replicator/store/replicated_schema.h"
#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/sql_tokens.h"

namespace colony {
namespace {

// While one lives, ALTER TABLE does not mind triggers and views that only the app, or
// colony.so, can compile. No other statement may run meanwhile.
class WritableSchema {
 public:
  explicit WritableSchema(Database& db) : db_(db) { db_.execute("PRAGMA writable_schema = ON"); }
  ~WritableSchema() { sqlite3_exec(db_.handle(), "PRAGMA writable_schema = OFF", nullptr, nullptr, nullptr); }
  WritableSchema(const WritableSchema&) = delete;
  WritableSchema& operator=(const WritableSchema&) = delete;

 private:
  Database& db_;
};

void alter(Database& db, const SchemaChange& change, const std::string& sql) {
  const WritableSchema lenient(db);
  run_schema_statement(db, change, sql);
}

}  // namespace

void run_schema_statement(Database& db, const SchemaChange& change, const std::string& sql) {
  try {
    db.execute(sql);
  } catch (const SqliteError& error) {
    if (error.code() != SQLITE_ERROR) throw;
    throw SchemaMismatch("changes the schema (" + change.type + " " + change.name +
                             "), and this SQLite cannot: " + sqlite3_errmsg(db.handle()),
                         "let SQLite on this node be able to, and it goes on by itself");
  }
}

std::string present_sql(Database& db, const std::string& type, const std::string& name) {
  Statement select(db, "SELECT sql FROM sqlite_schema WHERE type = ?1 AND name = ?2 COLLATE NOCASE");
  select.bind(1, type).bind(2, name);
  return select.step() ? std::string(select.text(0)) : std::string();
}

bool has_key(Database& db, const std::string& table) {
  return load_captured_table(db.handle(), "main", table).has_value();
}

bool has_column(Database& db, const std::string& table, const std::string& column) {
  Statement select(db, "SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2 COLLATE NOCASE");
  return select.bind(1, table).bind(2, column).step();
}

std::vector<std::string> columns_of_table(Database& db, const std::string& table) {
  std::vector<std::string> names;
  Statement columns(db, "SELECT name FROM pragma_table_info(?1) ORDER BY cid");
  columns.bind(1, table);
  while (columns.step()) names.emplace_back(columns.text(0));
  return names;
}

std::vector<std::string> key_of(Database& db, const std::string& table) {
  std::vector<std::string> names;
  Statement key(db, "SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk");
  key.bind(1, table);
  while (key.step()) names.emplace_back(key.text(0));
  return names;
}

std::string table_of(Database& db, const std::string& object) {
  Statement select(db, "SELECT tbl_name FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE");
  return select.bind(1, object).step() ? std::string(select.text(0)) : std::string();
}

bool is_left_out(Database& db, const std::string& table) {
  Statement select(db, "SELECT 1 FROM __colony_left_out WHERE name = ?1");
  return select.bind(1, table).step();
}

void fill_virtual_table(Database& db, const SchemaChange& change) {
  const std::vector<SqlToken> tokens = sql_tokens(change.sql);
  bool is_full_text = false, has_content = false;
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    is_full_text |= tokens[i].is("USING") && (tokens[i + 1].is("FTS5") || tokens[i + 1].is("FTS4"));
    const bool is_content = tokens[i].is("CONTENT") && tokens[i + 1].is('=');
    has_content |= is_content && i + 2 < tokens.size() && !tokens[i + 2].name().empty();
  }
  if (!is_full_text || !has_content) return;
  run_schema_statement(db, change,
                       "INSERT INTO " + quoted(change.name) + "(" + quoted(change.name) + ") VALUES('rebuild')");
}

bool is_replicated(Database& db, const std::string& table) {
  Statement select(db, "SELECT 1 FROM __colony_tables WHERE name = ?1");
  return select.bind(1, table).step();
}

void take_in_table(Database& db, const std::string& table) {
  Statement(db, "INSERT OR IGNORE INTO __colony_tables(name) VALUES(?1)").bind(1, table).run();
  create_guards(db, table);
  agree_on_definition(db, table);
}

void follow_table(Database& db, const std::string& table) {
  if (!is_replicated(db, table)) return;
  agree_on_definition(db, table);
  refresh_guards(db, table);
}

SchemaTexts schema_texts(Database& db) {
  SchemaTexts texts;
  Statement select(db,
                   "SELECT name, sql FROM sqlite_schema WHERE sql NOTNULL AND substr(name, 1, 9) <> '__colony_' "
                   "ORDER BY name");
  while (select.step()) texts.emplace_back(select.text(0), select.text(1));
  return texts;
}

void set_texts(Database& db, const SchemaTexts& texts) {
  if (texts.empty()) return;
  const WritableSchema writable(db);
  Statement update(db, "UPDATE sqlite_schema SET sql = ?2 WHERE name = ?1 AND sql <> ?2");
  for (const auto& [name, sql] : texts) update.bind(1, name).bind(2, sql).run();
  const std::int64_t version = db.query_integer("PRAGMA schema_version");
  db.execute("PRAGMA schema_version = " + std::to_string(version + 1));  // read anew by all connections
}

void rename_table(Database& db, const SchemaChange& change) {
  const bool is_ours = is_replicated(db, change.name);
  if (is_ours) drop_guards(db, change.name);
  alter(db, change, "ALTER TABLE " + quoted(change.name) + " RENAME TO " + quoted(change.to));
  if (!is_ours) return;
  Statement(db, "UPDATE __colony_tables SET name = ?2 WHERE name = ?1").bind(1, change.name).bind(2, change.to).run();
  take_in_table(db, change.to);
}

void rename_column(Database& db, const SchemaChange& change) {
  const bool is_ours = is_replicated(db, change.name);
  if (is_ours) drop_guards(db, change.name);
  alter(db, change,
        "ALTER TABLE " + quoted(change.name) + " RENAME COLUMN " + quoted(change.column) + " TO " +
            (change.sql.empty() ? quoted(change.to) : change.sql));
  if (is_ours) take_in_table(db, change.name);
}

// The guard index names each column.
void drop_column(Database& db, const SchemaChange& change) {
  const bool is_ours = is_replicated(db, change.name);
  if (is_ours) drop_guards(db, change.name);
  alter(db, change, "ALTER TABLE " + quoted(change.name) + " DROP COLUMN " + quoted(change.column));
  if (is_ours) take_in_table(db, change.name);
}

void drop_object(Database& db, const SchemaChange& change) {
  const std::string table = table_of(db, change.name);
  run_schema_statement(db, change, "DROP " + change.type + " " + quoted(change.name));
  follow_table(db, table);
}

void drop_table(Database& db, const SchemaChange& change) {
  Statement(db, "DELETE FROM __colony_tables WHERE name = ?1").bind(1, change.name).run();
  run_schema_statement(db, change, "DROP TABLE " + quoted(change.name));
}

std::string with_column(const std::string& create_table, const SchemaChange& added) {
  Database db(":memory:", Database::Mode::kReadWrite);
  try {
    db.execute(create_table);
    db.execute("ALTER TABLE " + quoted(added.name) + " ADD COLUMN " + added.sql);
    return present_sql(db, "table", added.name);
  } catch (const SqliteError&) {
    return "";
  }
}

std::string with_table_name(const std::string& create_table, const std::string& name) {
  const std::vector<SqlToken> tokens = sql_tokens(create_table);
  std::size_t at = 0;
  while (at < tokens.size() && !tokens[at].is("TABLE")) ++at;
  ++at;
  if (at + 2 < tokens.size() && tokens[at].is("IF") && tokens[at + 1].is("NOT")) at += 3;
  if (at + 2 < tokens.size() && tokens[at + 1].is('.')) at += 2;
  if (at >= tokens.size()) return create_table;
  const auto begin = static_cast<std::size_t>(tokens[at].text.data() - create_table.data());
  return create_table.substr(0, begin) + quoted(name) + create_table.substr(begin + tokens[at].text.size());
}

}  // namespace colony
