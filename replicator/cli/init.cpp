#include <spdlog/fmt/fmt.h>

#include <memory>

#include "replicator/cli/command.h"
#include "replicator/cli/confirm.h"
#include "replicator/membership/enrollment.h"

namespace colony::cli {
namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

void print_kept(const EnrollRequest& request, const EnrollReport& report) {
  if (report.pending == 0 || !request.keep_pending) return;
  fmt::print("kept: {} transactions that the log does not have; node {} will send them\n", report.pending,
             request.node);
}

void print(const EnrollRequest& request, const EnrollReport& report) {
  switch (report.outcome) {
    case EnrollReport::Outcome::kNew:
      fmt::print("{} is now node {} of colony {}\n", request.path, request.node, request.cluster);
      break;
    case EnrollReport::Outcome::kUnchangedIdentity:
      fmt::print("{} is node {} of colony {}\n", request.path, request.node, request.cluster);
      break;
    case EnrollReport::Outcome::kCopyRenamed:
      fmt::print("{}, a copy of node {}'s file, is now node {} of colony {}\n", request.path, report.former_node,
                 request.node, request.cluster);
      print_kept(request, report);
      if (report.pending > 0 && !request.keep_pending) {
        fmt::print(
            "taken out: {} transactions of node {} that the log did not have yet; they come back when {} has sent "
            "them\n",
            report.pending, report.former_node, report.former_node);
      }
      break;
    case EnrollReport::Outcome::kRejoined:
      fmt::print("{}, which was node {} until that left, is now node {} of colony {}\n", request.path,
                 report.former_node, request.node, request.cluster);
      print_kept(request, report);
      break;
  }
  if (request.merge) {
    fmt::print("to be merged: {} rows, which node {} will send as its first transaction\n", report.merged_rows,
               request.node);
  }
  if (report.replicated.empty()) {
    fmt::print("no table is replicated: create tables with a PRIMARY KEY, and run colony init again\n");
  } else {
    fmt::print("replicated: {}\n", joined(report.replicated));
  }
  for (const ChangedTable& change : report.changes) fmt::print("note: {} {}\n", change.table, change.what);
  if (report.unchecked > 0) {
    fmt::print(
        "{} not been compared with the other nodes' since: colony run does it, colony status tells, and colony repair "
        "DB mends what differs\n",
        report.unchecked == 1 ? "one table has" : fmt::format("{} tables have", report.unchecked));
  }
  for (const LeftOut& table : report.left_out) fmt::print("left out: {}: {}\n", table.table, table.why);
  if (!report.self_numbered.empty()) {
    fmt::print(
        "note: {}: where SQLite picks the INTEGER PRIMARY KEY, two nodes can pick the same; let the app choose\n",
        joined(report.self_numbered));
  }
}

}  // namespace

void add_init(CLI::App& app, int& exit_code) {
  auto request = std::make_shared<EnrollRequest>();
  auto tables = std::make_shared<std::vector<std::string>>();
  auto yes = std::make_shared<bool>(false);
  CLI::App* const command = app.add_subcommand("init", "Make a database file a node of a colony");
  add_database(*command, request->path);
  command->add_option("--cluster", request->cluster, "The colony's name: the same on every node")
      ->envname("COLONY_CLUSTER")
      ->required()
      ->type_name("NAME");
  command->add_option("--node", request->node, "This node's name: another one on every node")
      ->envname("COLONY_NODE")
      ->required()
      ->type_name("NAME");
  CLI::Option* const chosen =
      command
          ->add_option("--tables", *tables,
                       "Replicate only these (t1,t2,...). If not given: all that have a PRIMARY KEY, "
                       "or those chosen before")
          ->delimiter(',')
          ->type_name("NAMES");
  command->add_flag(
      "--keep-pending", request->keep_pending,
      "When a file gets another name: keep its unsent transactions as its own. For a backup that was put back "
      "and written to, a file whose name another one holds, or one whose node was removed; not for a copy of a file "
      "that goes on");
  command
      ->add_option_function<std::string>(
          "--guard",
          [request](const std::string& kind) {
            request->guard = kind == "index" ? GuardKind::kIndex : GuardKind::kTriggers;
          },
          "What refuses the writes of a program without colony.so. index: also where a program switches triggers off "
          "or writes BLOBs incrementally; without colony.so VACUUM, VACUUM INTO, REINDEX, PRAGMA integrity_check and "
          "loading a .dump then fail as well. triggers: these work everywhere, and such a program writes unnoticed. "
          "If not given: as chosen before, or else index")
      ->check(CLI::IsMember({"index", "triggers"}))
      ->type_name("KIND");
  command->add_flag(
      "--merge", request->merge,
      "The colony has rows, and so has this file: send all rows of this file as its first transaction. Under one key "
      "or one unique value this file's row wins, and the other one is in colony conflicts");
  command->add_flag("--yes", *yes, "Do not ask, though programs have the file open that have not loaded colony.so");
  command->footer(
      "Puts the file into WAL mode and adds Colony's tables, triggers and indexes that hold nothing; rows are not "
      "touched, and the app may have\n"
      "the file open. Run it again after creating tables, or to choose others: it changes only what must change.\n"
      "From then on a program can write the replicated tables only with the extension colony.so loaded. Programs that\n"
      "have the file open without it are named first; then it takes a yes, or --yes. Exit code 1: the answer was "
      "no.\n\n"
      "The rows of the first file are the colony's. Any other node needs no file (colony run), or one with empty "
      "tables,\n"
      "or a copy of a node's file (with the app stopped, or by sqlite3's .backup) with another --node. A file with "
      "other\n"
      "rows of its own is refused by colony run, unless they are merged.\n\n"
      "  colony init app.db --cluster shop --node a\n"
      "  colony init own.db --cluster shop --node b --merge");
  command->callback([request, tables, chosen, yes, &exit_code] {
    if (chosen->count() > 0) request->tables = *tables;
    const Confirmation confirmation(request->path, *yes);
    std::vector<std::string> guarded;
    request->before_change = [&](const std::vector<std::string>& newly_guarded) {
      confirmation.ask(newly_guarded);
      guarded = newly_guarded;
    };
    try {
      print(*request, enroll(*request));
    } catch (const Declined&) {
      fmt::print(stderr, "nothing was changed\n");
      exit_code = kNo;
      return;
    }
    if (!guarded.empty()) fmt::print("next: programs that write {} must load colony.so\n", joined(guarded));
    exit_code = kDone;
  });
}

}  // namespace colony::cli
