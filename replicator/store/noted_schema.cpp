#include "replicator/store/noted_schema.h"

#include "replicator/store/file_layout.h"

namespace colony {
namespace {

constexpr const char* kTable =
    "CREATE TABLE IF NOT EXISTS __colony_schema(name TEXT PRIMARY KEY, type TEXT NOT NULL, tbl_name TEXT NOT NULL, "
    "sql TEXT NOT NULL) WITHOUT ROWID";

bool is_there(Database& db) {
  return db.query_integer("SELECT count(*) FROM sqlite_schema WHERE name = '__colony_schema'") != 0;
}

}  // namespace

SchemaObjects schema_objects(Database& db) {
  SchemaObjects objects;
  Statement select(db,
                   "SELECT name, type, tbl_name, sql FROM sqlite_schema WHERE sql NOTNULL AND name NOT GLOB 'sqlite_*' "
                   "AND name NOT IN (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow')");
  while (select.step()) {
    if (is_own_name(select.text(0))) continue;
    objects[std::string(select.text(0))] = {std::string(select.text(1)), std::string(select.text(2)),
                                            std::string(select.text(3))};
  }
  return objects;
}

void note_schema(Database& db) {
  const char* const noted = "SELECT coalesce((SELECT value FROM __colony_meta WHERE key = 'schema_noted'), -1)";
  const bool is_noted = is_there(db);
  if (is_noted && db.query_integer(noted) == db.query_integer("PRAGMA schema_version")) return;
  if (!is_noted) db.execute(kTable);
  db.execute("DELETE FROM __colony_schema");
  Statement insert(db, "INSERT INTO __colony_schema(name, type, tbl_name, sql) VALUES(?1, ?2, ?3, ?4)");
  for (const auto& [name, object] : schema_objects(db)) {
    insert.bind(1, name).bind(2, object.type).bind(3, object.table).bind(4, object.sql).run();
  }
  Statement(db, "INSERT OR REPLACE INTO __colony_meta(key, value) VALUES('schema_noted', ?1)")
      .bind(1, db.query_integer("PRAGMA schema_version"))
      .run();
}

std::optional<SchemaObjects> noted_schema(Database& db) {
  if (!is_there(db)) return std::nullopt;
  SchemaObjects objects;
  Statement select(db, "SELECT name, type, tbl_name, sql FROM __colony_schema");
  while (select.step()) {
    objects[std::string(select.text(0))] = {std::string(select.text(1)), std::string(select.text(2)),
                                            std::string(select.text(3))};
  }
  return objects;
}

}  // namespace colony
