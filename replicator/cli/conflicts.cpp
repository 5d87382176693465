#include <spdlog/fmt/fmt.h>

#include <memory>

#include "replicator/cli/command.h"
#include "replicator/fold/json.h"
#include "replicator/membership/enrollment.h"
#include "replicator/store/file_layout.h"

namespace colony::cli {
namespace {

constexpr const char* kSelect =
    "SELECT sequence, origin, kind, table_name, key, lost FROM __colony_conflicts WHERE sequence > 0 "
    "ORDER BY sequence, origin, piece, n";

void print_json(Statement& rows) {
  std::vector<std::string> conflicts;
  while (rows.step()) {
    JsonObject conflict;
    conflict.add("sequence", rows.integer(0)).add("origin", rows.text(1)).add("kind", rows.text(2));
    conflict.add("table", rows.text(3)).add_raw("key", rows.text(4)).add_raw("lost", rows.text(5));
    conflicts.push_back(conflict.text());
  }
  fmt::print("{}\n", json_array(conflicts));
}

void print_text(Statement& rows) {
  bool any = false;
  while (rows.step()) {
    if (!any) fmt::print("{:>8}  {:<12} {:<15} {:<16} {}\n", "entry", "origin", "kind", "table", "key -> lost");
    any = true;
    fmt::print("{:>8}  {:<12} {:<15} {:<16} {} -> {}\n", rows.integer(0), rows.text(1), rows.text(2), rows.text(3),
               rows.text(4), rows.text(5));
  }
  if (!any) fmt::print("no conflicts\n");
}

}  // namespace

void add_conflicts(CLI::App& app, int& exit_code) {
  auto path = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  CLI::App* const command = app.add_subcommand("conflicts", "Show what was lost when two nodes changed the same row");
  add_database(*command, *path);
  command->add_flag("--json", *json, "Print one JSON document");
  command->footer(
      "Prints the conflict journal, which keeps the latest 10,000 conflicts and is the same on every node. Each line "
      "has the entry and its origin, the kind of conflict, the row's key, and the values that were lost:\n"
      "  insert_exists   INSERT: the key existed; the old row was replaced\n"
      "  update_differs  UPDATE: the row had other values than its origin saw; they were overwritten\n"
      "  update_missing  UPDATE: there was no such row; the new values were dropped\n"
      "  delete_differs  DELETE: the row had other values than its origin saw; it is deleted\n"
      "  delete_missing  DELETE: there was no such row\n"
      "  displaced       another row had the same unique value; it is deleted\n"
      "  no_place        the row was written under another schema; these columns, or its table, are no more\n"
      "  schema_differs  a schema change met a different one of the same thing, which stands\n"
      "\n"
      "Exit codes: 0 done; 2 it could not be done.");
  command->callback([path, json, &exit_code] {
    Database db = open_database(*path, Database::Mode::kReadOnly);
    const NodeFile file(db);  // says so if it is no colony's
    Statement rows(db, kSelect);
    if (*json) {
      print_json(rows);
    } else {
      print_text(rows);
    }
    exit_code = kDone;
  });
}

}  // namespace colony::cli
