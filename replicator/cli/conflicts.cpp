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
  CLI::App* const command =
      app.add_subcommand("conflicts", "Show the conflict journal: what lost when two nodes changed the same row");
  add_database(*command, *path);
  command->add_flag("--json", *json, "Print one JSON document");
  command->footer(
      "Each line shows the entry and its origin, the kind of conflict, the row's key, and the values that were lost.\n"
      "  insert_exists   an INSERT met a row of that key; the row's values were replaced\n"
      "  update_differs  an UPDATE met other values than its node knew; those were overwritten\n"
      "  update_missing  an UPDATE met no row; its own values were dropped\n"
      "  delete_differs  a DELETE met other values than its node knew; the row is gone\n"
      "  delete_missing  a DELETE met no row\n"
      "  displaced       a row was in the way of a unique index, and is gone\n"
      "The journal is the same on every node, and keeps the latest 10,000.");
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
