#include <memory>
#include <string>

#include "replicator/cli/command.h"
#include "replicator/cli/status_report.h"

namespace colony::cli {

void add_status(CLI::App& app, int& exit_code) {
  auto path = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  CLI::App* const command = app.add_subcommand("status", "Show how one node is doing");
  add_database(*command, *path);
  command->add_flag("--json", *json, "Print one JSON document");
  command->footer(
      "Reads the file and what its sidecar reports. It needs neither a running sidecar nor a broker.\n"
      "\n"
      "state\n"
      "  stopped             no sidecar runs\n"
      "  starting            the sidecar has not reached the log yet\n"
      "  waiting_for_broker  no broker answers; programs go on, and their commits wait\n"
      "  catching_up         the sidecar reads what it has missed\n"
      "  running             the sidecar sends this node's transactions and applies the others'\n"
      "  differs             as running, but this node's rows differ from the other nodes': `not well` says in which "
      "table and what to do\n"
      "  halted              the sidecar applies and sends nothing: `error` says why and what to do\n"
      "\n"
      "not well     what is wrong, and what to do\n"
      "position     the last entry of the log that the file has absorbed\n"
      "catching up  how many of the missed entries are read, and the time left\n"
      "sending      how many of the waiting transactions are sent, and the time left\n"
      "pending      transactions of this node that have not come back in the log yet\n"
      "wal          size of the write-ahead log, and how much of it is not yet in the database\n"
      "capture      how what programs commit is captured: session or wal (see colony init --help)\n"
      "ignored      messages in the log that are not entries of this colony, since the sidecar's start\n"
      "untrusted    messages without their node's valid signature, since the sidecar's start: somebody else writes to "
      "the log, or a node runs without its key\n"
      "\n"
      "Exit codes: 0 all is well, or the node is catching up; 1 it is not well, and `not well` says why; 2 the status "
      "could not be read.");
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
