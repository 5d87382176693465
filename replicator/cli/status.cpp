#include <memory>
#include <string>

#include "replicator/cli/command.h"
#include "replicator/cli/status_report.h"

namespace colony::cli {

void add_status(CLI::App& app, int& exit_code) {
  auto path = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  CLI::App* const command = app.add_subcommand("status", "Show how a node is doing; works without sidecar and broker");
  add_database(*command, *path);
  command->add_flag("--json", *json, "Print one JSON document");
  command->footer(
      "state      stopped             no sidecar runs\n"
      "           starting            it has not yet asked the log\n"
      "           waiting_for_broker  no broker answers; programs go on, and their commits wait\n"
      "           catching_up         it reads what it has missed\n"
      "           running             it sends this node's commits and applies those of the others\n"
      "           differs             it runs, and its rows are not those of the other nodes: `not well` says in\n"
      "                               which table, and what to do\n"
      "           halted              it has stopped: `error` says why and what to do\n"
      "not well   what is wrong, and what to do\n"
      "position   the last entry of the log that this file has absorbed\n"
      "catching up, sending   what is done of what was missed, or waits in the outbox, and the time left at\n"
      "           the pace of the latest ten seconds\n"
      "wal        how large the write-ahead log is, and how much of it readers keep from the database\n"
      "pending    transactions of this node that the log has not yet handed back\n"
      "untrusted  messages that were ignored since the sidecar's start because their node's key has not signed them:\n"
      "           somebody else writes to the log, or a node runs without its key\n\n"
      "Exit code 0: all is well, or it is catching up; 1: it is not, and `not well` says why: no sidecar runs, it has\n"
      "no broker, it has halted, it makes no progress, the node differs or has left, a table has lost its capture, no\n"
      "snapshot can be made; 2: the status cannot be told.");
  command->callback([path, json, &exit_code] {
    const StatusReport report = read_status_report(*path);
    if (*json) {
      print_json(report);
    } else {
      print_text(report);
    }
    exit_code = report.troubles.empty() ? kDone : kNo;
  });
}

}  // namespace colony::cli
