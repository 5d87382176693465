#include <spdlog/fmt/fmt.h>

#include <memory>

#include "replicator/cli/command.h"
#include "replicator/membership/enrollment.h"

namespace colony::cli {

void add_detach(CLI::App& app, int& exit_code) {
  auto path = std::make_shared<std::string>();
  CLI::App* const command = app.add_subcommand("detach", "Remove Colony from a file; its tables and rows stay");
  add_database(*command, *path);
  command->footer(
      "Removes Colony's tables, triggers and indexes, and restores the former journal mode. Any program can then write "
      "the file again. Run colony leave first, or the other nodes go on waiting for this one; then stop the sidecar.\n"
      "\n"
      "Exit codes: 0 done; 2 it could not be done.");
  command->callback([path, &exit_code] {
    const DetachReport report = detach(*path);
    fmt::print("{} belongs to no colony any more (journal mode {})\n", *path, report.journal_mode);
    if (report.unsent_transactions > 0) {
      fmt::print("note: {} transactions had not reached the log: no other node has them\n", report.unsent_transactions);
    }
    if (report.is_member) {
      fmt::print(
          "note: node {} has not left colony {}: the others go on waiting for it; tell them, on one of them: "
          "colony leave DB --node {}\n",
          report.node, report.cluster, report.node);
    }
    exit_code = kDone;
  });
}

}  // namespace colony::cli
