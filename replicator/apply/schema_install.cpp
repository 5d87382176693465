#include "replicator/apply/schema_install.h"

#include <map>
#include <set>
#include <string>
#include <utility>

#include "replicator/fold/schema_statements.h"
#include "replicator/store/file_layout.h"
#include "sqlite_ext/captured_table.h"

namespace colony {
namespace {

using Kind = SchemaChange::Kind;
using Objects = std::map<std::pair<std::string, std::string>, std::string>;  // type and name, statement

// Of one table, itself first; or all views.
Objects objects_of(Database& db, const std::string& table) {
  Objects objects;
  Statement select(db, table.empty() ? "SELECT type, name, sql FROM sqlite_schema WHERE type = 'view' AND ?1 = ''"
                                     : "SELECT type, name, sql FROM sqlite_schema WHERE tbl_name = ?1 AND sql NOTNULL");
  select.bind(1, table);
  while (select.step()) {
    if (is_own_name(select.text(1))) continue;
    objects[{std::string(select.text(0)), std::string(select.text(1))}] = std::string(select.text(2));
  }
  return objects;
}

std::set<std::string> tables_of(Database& db) {
  const std::vector<std::string> names = replicated_tables(db);
  return {names.begin(), names.end()};
}

SchemaChange change(Kind kind, const std::string& type, const std::string& name) {
  return {kind, type, name, "", "", "", ""};
}

void make(Database& db, const Objects& objects) {
  for (const char* const type : {"table", "index", "view", "trigger"}) {
    for (const auto& [object, sql] : objects) {
      if (object.first != type) continue;
      if (!present_sql(db, type, object.second).empty()) drop_object(db, change(Kind::kDrop, type, object.second));
      run_schema_statement(db, change(Kind::kCreate, type, object.second), sql);
    }
  }
}

}  // namespace

bool has_other_schema(Database& db, Database& base) {
  const std::set<std::string> mine = tables_of(db), theirs = tables_of(base);
  if (mine != theirs) return true;
  for (const std::string& table : theirs) {
    if (objects_of(db, table) != objects_of(base, table)) return true;
  }
  return false;
}

void install_schema(Database& db, Database& base) {
  const std::set<std::string> theirs = tables_of(base);
  for (const std::string& table : tables_of(db)) {
    if (theirs.contains(table) && objects_of(db, table) == objects_of(base, table)) continue;
    drop_guards(db, table);
    drop_table(db, change(Kind::kDrop, "table", table));
  }
  for (const std::string& table : theirs) {
    if (is_replicated(db, table)) continue;
    make(db, objects_of(base, table));
    take_in_table(db, table);
  }
  Objects views = objects_of(base, "");
  std::erase_if(views, [&](const auto& view) { return present_sql(db, "view", view.first.second) == view.second; });
  make(db, views);
  db.execute("DELETE FROM __colony_layouts");
  if (base.query_integer("SELECT count(*) FROM sqlite_schema WHERE name = '__colony_layouts'") == 0) return;
  Statement read(base, "SELECT id, name, columns, change FROM __colony_layouts ORDER BY id");
  Statement write(db, "INSERT INTO __colony_layouts(id, name, columns, change) VALUES(?1, ?2, ?3, ?4)");
  while (read.step()) {
    write.bind(1, read.integer(0)).bind(2, read.text(1)).bind_blob(3, read.blob(2)).bind_blob(4, read.blob(3)).run();
  }
}

}  // namespace colony
