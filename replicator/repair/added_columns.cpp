#include "replicator/repair/added_columns.h"

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

#include "replicator/store/file_layout.h"
#include "replicator/store/replicated_schema.h"
#include "sqlite_ext/capture.h"
#include "sqlite_ext/captured_table.h"
#include "sqlite_ext/table_definition.h"

namespace colony {
namespace {

// `name type COLLATE x NOT NULL DEFAULT d`; nothing if not every row would get the same.
std::optional<std::string> column_sql(Database& db, const std::string& table, const std::string& column) {
  const char *type = nullptr, *collation = nullptr;
  int not_null = 0;
  sqlite3_table_column_metadata(db.handle(), "main", table.c_str(), column.c_str(), &type, &collation, &not_null,
                                nullptr, nullptr);
  Statement defaults(db, "SELECT dflt_value FROM pragma_table_info(?1) WHERE name = ?2");
  defaults.bind(1, table).bind(2, column);
  if (!defaults.step()) return std::nullopt;
  std::string sql = quoted(column) + " " + (type == nullptr ? "" : type);
  if (collation != nullptr) sql += " COLLATE " + quoted(collation);
  if (not_null != 0) sql += " NOT NULL";
  if (defaults.is_null(0)) return sql;
  const std::string value(defaults.text(0));
  if (!is_constant_default(value)) return std::nullopt;
  return sql + " DEFAULT " + value;
}

}  // namespace

void add_missing_columns(const std::string& path, Database& model) {
  Database db(path, Database::Mode::kReadWrite);
  install_capture(db.handle(), linked_host(), std::nullopt, CaptureFor::kColony);
  ReplicatedSchema has, wants;
  has.load(db);
  wants.load(model);
  const std::set<std::string> guarded = guarded_tables(db);
  for (const auto& [name, wanted] : wants.tables()) {
    const ReplicatedTable* const table = has.find(name);
    if (table == nullptr || table->columns.size() >= wanted.columns.size()) continue;
    if (!std::equal(table->columns.begin(), table->columns.end(), wanted.columns.begin())) continue;
    for (std::size_t i = table->columns.size(); i < wanted.columns.size(); ++i) {
      const std::optional<std::string> column = column_sql(model, name, wanted.columns[i]);
      if (!column) break;
      db.execute("ALTER TABLE " + quoted(name) + " ADD COLUMN " + *column);
    }
    if (guarded.contains(name)) create_guards(db, name);
    agree_on_definition(db, name);
  }
}

}  // namespace colony
