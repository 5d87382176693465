#include "tests/bench/change_triggers.h"

#include <spdlog/fmt/fmt.h>

namespace colony::bench {
namespace {

constexpr const char* kEvents[] = {"INSERT", "UPDATE", "DELETE"};

// The columns, each in its own form, with commas between.
template <class Form>
std::string list(const TableKind& kind, Form&& form) {
  std::string out;
  for (const char* const column : kind.columns) {
    if (column == nullptr) break;
    out += (out.empty() ? "" : ", ") + form(std::string(column));
  }
  return out;
}

std::string json_of(const TableKind& kind, const std::string& row) {
  return "json_object(" +
         list(kind,
              [&](const std::string& column) {
                const std::string value = row + "." + column;
                return "'" + column + "', " + (column == kind.blob ? "hex(" + value + ")" : value);
              }) +
         ")";
}

}  // namespace

std::string row_copy_triggers(const TableKind& kind) {
  const std::string columns = list(kind, [](const std::string& column) { return "row_" + column; });
  std::string sql = fmt::format(
      "CREATE TABLE {0}_changes(change INTEGER PRIMARY KEY AUTOINCREMENT, {1}, op TEXT, at_ms INTEGER, sent INTEGER);"
      "CREATE INDEX {0}_changes_to_send ON {0}_changes(sent);"
      "CREATE TABLE all_changes(change INTEGER PRIMARY KEY AUTOINCREMENT, in_table TEXT, change_in_table INTEGER);"
      "CREATE TABLE replica(applying INTEGER); INSERT INTO replica VALUES(0);",
      kind.name, columns);
  for (const std::string event : kEvents) {
    const std::string row = event == "DELETE" ? "old." : "new.";
    sql += fmt::format(
        "CREATE TRIGGER {0}_{1} AFTER {1} ON {0} WHEN (SELECT applying FROM replica) = 0 BEGIN "
        "INSERT INTO {0}_changes({2}, op, at_ms, sent) "
        "VALUES({3}, '{1}', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 0); "
        "INSERT INTO all_changes(in_table, change_in_table) VALUES('{0}', last_insert_rowid()); END;",
        kind.name, event, columns, list(kind, [&](const std::string& column) { return row + column; }));
  }
  return sql;
}

std::string empty_row_copies(const TableKind& kind) {
  return fmt::format("DELETE FROM {}_changes; DELETE FROM all_changes", kind.name);
}

std::string json_triggers(const TableKind& kind) {
  std::string sql =
      "CREATE TABLE change_log(id INTEGER PRIMARY KEY AUTOINCREMENT, op TEXT, table_name TEXT, old_row TEXT, "
      "new_row TEXT, changed_at TEXT);";
  for (const std::string event : kEvents) {
    sql += fmt::format(
        "CREATE TRIGGER {0}_{1} AFTER {1} ON {0} BEGIN "
        "INSERT INTO change_log(op, table_name, old_row, new_row, changed_at) "
        "VALUES('{1}', '{0}', {2}, {3}, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')); END;",
        kind.name, event, event == "INSERT" ? "NULL" : json_of(kind, "old"),
        event == "DELETE" ? "NULL" : json_of(kind, "new"));
  }
  return sql;
}

}  // namespace colony::bench
