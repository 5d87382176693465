#include "replicator/repair/repair.h"

#include <spdlog/fmt/fmt.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>

#include "replicator/apply/departure.h"
#include "replicator/broker/jetstream_log.h"
#include "replicator/cli/command.h"
#include "replicator/cli/progress_line.h"
#include "replicator/cli/repair_report.h"
#include "replicator/membership/enrollment.h"
#include "replicator/snapshots/repair_base.h"

namespace colony::cli {
namespace {

struct Arguments {
  std::string path, from;
  BrokerSettings broker;
  std::vector<std::string> tables;
  bool keep_mine = false, take_theirs = false, dry_run = false, json = false;
  std::uint64_t limit = 20;

  RepairAction action() const {
    return keep_mine ? RepairAction::kKeepMine : take_theirs ? RepairAction::kTakeTheirs : RepairAction::kShow;
  }
  bool changes() const { return (keep_mine || take_theirs) && !dry_run; }
};

void check_is_member(NodeFile& file) {
  const std::map<Incarnation, Departure> departures = file.departures();
  const auto own = departures.find(file.identity().incarnation);
  if (own != departures.end()) throw Error(departure_message(file.identity(), own->second));
}

std::int64_t now_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::unique_ptr<JetStreamLog> open_log(const BrokerSettings& broker, const Identity& self) {
  if (broker.urls == "none") return nullptr;
  return std::make_unique<JetStreamLog>(JetStreamSettings{
      .broker = broker, .cluster = self.cluster, .node = self.node, .read_only = true, .client_name = "colony repair"});
}

// The file and the log may be in use: what is needed of the file is read, and let go.
SnapshotName fetch_base(const Arguments& arguments, const BrokerSettings& broker, Log* log, const std::string& to,
                        const GoOn& go_on) {
  Database db = open_database(arguments.path, Database::Mode::kReadOnly);
  NodeFile file(db);
  check_is_member(file);
  const std::string& cluster = file.identity().cluster;
  SnapshotCatalog catalog(open_snapshot_store(arguments.from, cluster, broker, 1), cluster);
  return fetch_repair_base(file, log, catalog, to, go_on);
}

void change(const Arguments& arguments, Repair& repair, RepairReport& report) {
  if (!report.found.any()) return;
  if (arguments.action() == RepairAction::kTakeTheirs) {
    report.would_keep_in = kept_rows_path(arguments.path, now_s());
    if (arguments.changes()) report.change = repair.take_theirs(report.would_keep_in);
  } else if (arguments.changes()) {
    report.change = repair.keep_mine();
  }
}

int exit_code_of(const RepairReport& report) {
  if (!report.differs()) return kDone;
  const bool changed = report.action != RepairAction::kShow && !report.dry_run;
  if (report.has_irreparable_rows()) return kNo;
  return changed ? kDone : kNo;
}

// Throws Error if they cannot be compared.
std::unique_ptr<Repair> open_repair(const RepairRequest& request, Log* log, const GoOn& go_on) {
  try {
    return std::make_unique<Repair>(request, log, go_on);
  } catch (const SchemaMismatch& mismatch) {
    throw Error(std::string("the snapshot ") + mismatch.what() +
                ": run colony snapshot on a node with the same tables, and try again when this one has come as far");
  }
}

int run(const Arguments& arguments) {
  RepairReport report;
  {
    Database db = open_database(arguments.path, Database::Mode::kReadOnly);
    report.self = NodeFile(db).identity();
    report.null_keys_stay = capture_mode(db) == CaptureMode::kWal;
  }
  const Identity& self = report.self;
  if (arguments.from == "none") throw Error("COLONY_SNAPSHOTS is none: say with --from where snapshots are");
  BrokerSettings broker =
      arguments.broker.urls == "none" ? arguments.broker : broker_of(arguments.path, arguments.broker);
  if (broker.urls == "none" && arguments.from.starts_with("nats:")) {
    throw Error("the snapshots are in the broker: give its URL by --nats, or another store by --from");
  }
  const std::unique_ptr<JetStreamLog> log = open_log(broker, self);
  std::optional<ProgressLine> line("comparing " + arguments.path + " with the log");
  const GoOn go_on = [&](std::uint64_t done, std::uint64_t total) {
    if (line) line->bytes(done, total);
    return true;
  };
  const StagingFile place = repair_place(arguments.path);
  report.action = arguments.action();
  report.dry_run = arguments.dry_run;
  report.base = fetch_base(arguments, broker, log.get(), place.path(), go_on);
  const std::unique_ptr<Repair> opened = open_repair({.database = arguments.path,
                                                      .base = place.path(),
                                                      .tables = {arguments.tables.begin(), arguments.tables.end()},
                                                      .reads_only = !arguments.changes()},
                                                     log.get(), go_on);
  Repair& repair = *opened;
  report.found = repair.compare();
  line.reset();
  report.position = repair.position();
  report.pending = repair.pending();
  report.unknown_tables = repair.unknown_tables();
  if (arguments.json) {
    const std::vector<std::string> rows = rows_as_json(report, repair, arguments.limit);
    change(arguments, repair, report);
    print_json(report, rows);
  } else {
    print_differences(report, repair, arguments.limit);
    change(arguments, repair, report);
    print_change(report);
  }
  return exit_code_of(report);
}

}  // namespace

void add_repair(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command =
      app.add_subcommand("repair", "Show which rows of a file differ from the log, and repair them");
  add_database(*command, arguments->path);
  auto* const keep = command->add_flag("--keep-mine", arguments->keep_mine,
                                       "Send this file's rows, where they differ, as a transaction of this node: "
                                       "all nodes get them");
  auto* const take = command->add_flag("--take-theirs", arguments->take_theirs,
                                       "Replace this file's rows, where they differ, by the log's. The replaced rows "
                                       "are kept in a new file, DB-colony-repair-TIME.db");
  keep->excludes(take);
  command->add_flag("--dry-run", arguments->dry_run,
                    "With --keep-mine or --take-theirs: show what would change, and change nothing");
  command->add_option("--table", arguments->tables, "Only this table (repeatable)")
      ->type_name("NAME")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_option("--limit", arguments->limit, "Show at most this many rows of each table")
      ->capture_default_str()
      ->type_name("N");
  command->add_flag("--json", arguments->json, "Print one JSON document");
  command->add_option("--from", arguments->from, "Where the snapshots are, as for colony run --snapshots")
      ->envname("COLONY_SNAPSHOTS")
      ->default_val("nats:")
      ->type_name("URL");
  add_broker(*command, arguments->broker);
  command->footer(
      "Works out what the rows must be in a scratch file beside DB: a snapshot (of another node, if there is one), the "
      "log from there to DB's position, and DB's pending transactions on top. It needs room for a copy of DB. Programs "
      "and the sidecar may go on, and the node may be halted. The change is one transaction.\n"
      "\n"
      "Without --keep-mine and --take-theirs it only shows what differs:\n"
      "  + {key} {columns}               only this file has the row\n"
      "  - {key} {columns}               this file lacks the row\n"
      "  ~ {key} column: mine -> theirs  the row differs\n"
      "\n"
      "Exit codes: 0 nothing differs, or what differed is repaired; 1 rows differ; 2 it could not be done.\n"
      "\n"
      "  colony repair app.db\n"
      "  colony repair app.db --table orders --take-theirs --dry-run\n"
      "  colony repair app.db --table orders --take-theirs");
  command->callback([arguments, &exit_code] {
    if (arguments->dry_run && arguments->action() == RepairAction::kShow) {
      throw Error("--dry-run is of use only with --keep-mine or --take-theirs");
    }
    exit_code = run(*arguments);
  });
}

}  // namespace colony::cli
