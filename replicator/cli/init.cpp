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

// Which mode fits, in three lines each.
constexpr const char* kModes =
    "  session  within the commit, by colony.so, which each program loads\n"
    "           exact bounds: transactions travel as they were committed\n"
    "           writers that are not captured are refused\n"
    "  wal      right after the commit, by the sidecar (colony run)\n"
    "           any program, any SQLite: nothing to load or to change\n"
    "           nothing is refused, and close commits may travel as one\n";

void print_mode(const EnrollReport& report) {
  if (report.capture_changed) {
    fmt::print("capture: {}, and no longer {}\n", to_string(report.capture),
               to_string(report.capture == CaptureMode::kWal ? CaptureMode::kSession : CaptureMode::kWal));
  } else {
    fmt::print("capture: {}\n", to_string(report.capture));
  }
  if (report.outcome == EnrollReport::Outcome::kNew || report.capture_changed) fmt::print("{}", kModes);
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
  print_mode(report);
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
  if (!report.null_keys.empty()) {
    fmt::print("note: {}: rows with NULL in the PRIMARY KEY stay on this node\n", joined(report.null_keys));
  }
}

// `guarded`: tables that any program could write until now.
void print_next(const EnrollReport& report, const std::vector<std::string>& guarded) {
  if (report.capture == CaptureMode::kWal) {
    fmt::print("next: colony run; programs go on as they are\n");
  } else if (!guarded.empty()) {
    fmt::print("next: programs that write {} must load colony.so\n", joined(guarded));
  }
}

}  // namespace

void add_init(CLI::App& app, int& exit_code) {
  auto request = std::make_shared<EnrollRequest>();
  auto tables = std::make_shared<std::vector<std::string>>();
  auto yes = std::make_shared<bool>(false);
  CLI::App* const command = app.add_subcommand("init", "Make a database file a node of a colony");
  add_database(*command, request->path);
  command->add_option("--cluster", request->cluster, "Name of the colony, the same on every node")
      ->envname("COLONY_CLUSTER")
      ->required()
      ->type_name("NAME");
  command->add_option("--node", request->node, "Name of this node, different on every node")
      ->envname("COLONY_NODE")
      ->required()
      ->type_name("NAME");
  CLI::Option* const chosen =
      command
          ->add_option("--tables", *tables,
                       "Replicate only these tables, and new ones that fit a pattern such as 'shop_*'. Without it: the "
                       "tables chosen before, or else all that have a PRIMARY KEY")
          ->delimiter(',')
          ->type_name("T1,T2,...");
  command->add_flag(
      "--keep-pending", request->keep_pending,
      "When the file gets a new node name, keep its unsent transactions and send them under that name. Use it for a "
      "restored backup that programs have written to, for a file whose name another node has taken, or after the node "
      "was removed. Do not use it for a copy of a file that stays in use: its transactions would be sent twice");
  add_capture(*command, request->capture,
              "How what programs commit is captured: see below. Without it: as chosen before, or else session",
              "as chosen before, or else session");
  command
      ->add_option_function<std::string>(
          "--guard",
          [request](const std::string& kind) {
            request->guard = kind == "index" ? GuardKind::kIndex : GuardKind::kTriggers;
          },
          "With --capture session: what stops a program without colony.so from writing. index: stops every write, even "
          "with triggers switched "
          "off and by incremental BLOB I/O; but without colony.so VACUUM, VACUUM INTO, REINDEX, PRAGMA integrity_check "
          "and loading a .dump fail too. triggers: all of these work, and a program that switches triggers off, or "
          "writes BLOBs incrementally, writes unnoticed. Without it: as chosen before, or else index")
      ->check(CLI::IsMember({"index", "triggers"}))
      ->type_name("index|triggers");
  command->add_flag(
      "--merge", request->merge,
      "Join a colony that has rows with a file that has rows too: send all rows of this file as its first transaction. "
      "Where both have a row of the same key or unique value, this file's wins and colony conflicts shows the other");
  command->add_flag("--yes", *yes, "Do not ask about programs that have the file open without colony.so");
  command->footer(
      "Puts the file into WAL mode and adds Colony's own tables and, with --capture session, a guard for each "
      "replicated table. Rows stay as they are, and programs may have the file open. Run it again after you create "
      "tables, or to choose others or the other --capture: it changes only what has to change.\n"
      "\n"
      "Which --capture fits:\n" +
      std::string(kModes) +
      "Nodes of both kinds live in one colony. To change it, stop the sidecar first; programs may go on.\n"
      "\n"
      "With --capture session a program can write the replicated tables from then on only with colony.so loaded. If "
      "programs have the file open without it, the command names them and asks first.\n"
      "\n"
      "The first file that colony run connects gives the colony its rows. Every further node starts with one of:\n"
      "  no file                    colony run makes it from a snapshot\n"
      "  a file with empty tables   colony init with the new node's name\n"
      "  a copy of a node's file    made by sqlite3's .backup or with all programs stopped; colony init with the new "
      "node's name\n"
      "  a file with its own rows   colony init --merge with the new node's name\n"
      "\n"
      "Exit codes: 0 done; 1 you answered no; 2 it could not be done.\n"
      "\n"
      "  colony init app.db --cluster shop --node a\n"
      "  colony init app.db --cluster shop --node a --capture wal\n"
      "  colony init app.db --cluster shop --node a --tables customers,orders\n"
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
      const EnrollReport report = enroll(*request);
      print(*request, report);
      print_next(report, guarded);
    } catch (const Declined&) {
      fmt::print(stderr, "nothing was changed\n");
      exit_code = kNo;
      return;
    }
    exit_code = kDone;
  });
}

}  // namespace colony::cli
