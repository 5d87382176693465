#include "replicator/fold/schema_undo.h"

#include <utility>

#include "replicator/fold/schema_matching.h"
#include "replicator/fold/schema_statements.h"
#include "replicator/store/replicated_schema.h"
#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/layout_log.h"

namespace colony {
namespace {

using Kind = SchemaChange::Kind;

void take_back(Database& db, const SchemaChange& change) {
  switch (change.kind) {
    case Kind::kCreate:
      if (change.type == "table") return drop_table(db, change);
      return drop_object(db, change);
    case Kind::kDrop:
      run_schema_statement(db, change, change.sql);
      if (change.type != "table") return follow_table(db, table_of(db, change.name));
      if (is_virtual(change.sql)) return fill_virtual_table(db, change);
      if (has_key(db, change.name)) take_in_table(db, change.name);
      return;
    case Kind::kAddColumn:
      return drop_column(db, change);
    case Kind::kRenameTable:
    case Kind::kRenameColumn: {
      SchemaChange back = change;
      back.sql.clear();
      std::swap(change.kind == Kind::kRenameTable ? back.name : back.column, back.to);
      change.kind == Kind::kRenameTable ? rename_table(db, back) : rename_column(db, back);
      return set_texts(db, change.fills);
    }
    case Kind::kRemake:
      if (db.query_integer("SELECT EXISTS(SELECT 1 FROM main." + quoted(change.name) + ")") != 0) {
        throw SchemaMismatch("has made table " + change.name + " anew, which has rows of others now",
                             "see Schema changes in docs/operations.md");
      }
      drop_table(db, change);
      run_schema_statement(db, change, change.former);
      return take_in_table(db, change.name);
    case Kind::kReplace:
      drop_object(db, change);
      run_schema_statement(db, change, change.former);
      return follow_table(db, table_of(db, change.name));
  }
}

}  // namespace

void take_back_schema(Database& db, const SchemaChanges& done) {
  for (auto change = done.rbegin(); change != done.rend(); ++change) {
    take_back(db, *change);
    const bool is_of_rows = change->kind != Kind::kDrop || has_key(db, change->name);
    if (changes_layout(*change) && is_of_rows) remove_last_layout(db.handle(), "main");
  }
}

}  // namespace colony
