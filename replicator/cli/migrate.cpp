#include <spdlog/fmt/fmt.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>

#include "replicator/broker/jetstream_log.h"
#include "replicator/cli/command.h"
#include "replicator/cli/progress_line.h"
#include "replicator/cluster/members.h"
#include "replicator/log/error.h"
#include "replicator/membership/enrollment.h"
#include "replicator/migrate/migration.h"
#include "replicator/wal/own_transaction.h"

namespace colony::cli {
namespace {

struct Arguments {
  std::string database, sql_file;
  std::vector<std::string> command;
  bool dry_run = false;
  BrokerSettings broker;
};

std::string text_of(const std::string& path) {
  if (path == "-") {
    std::string all;
    for (int c = std::getchar(); c != EOF; c = std::getchar()) all += static_cast<char>(c);
    return all;
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string in_words(const SchemaChange& change) {
  using Kind = SchemaChange::Kind;
  switch (change.kind) {
    case Kind::kCreate:
      return fmt::format("create {} {}", change.type, change.name);
    case Kind::kDrop:
      return fmt::format("drop {} {}", change.type, change.name);
    case Kind::kAddColumn:
      return fmt::format("table {}: add column {}", change.name, change.sql);
    case Kind::kRenameTable:
      return fmt::format("table {}: rename to {}", change.name, change.to);
    case Kind::kRenameColumn:
      return fmt::format("table {}: rename column {} to {}", change.name, change.column, change.to);
    case Kind::kRemake:
      return fmt::format("table {}: make anew as {}", change.name, change.sql);
    case Kind::kReplace:
      return fmt::format("{} {}: replace by {}", change.type, change.name, change.sql);
  }
  return "";
}

void show(const Migration& migration) {
  for (const SchemaChange& change : migration.changes) fmt::print("{}\n", in_words(change));
  for (const DifferingRows& rows : migration.rows) {
    fmt::print("table {}: {} rows inserted, {} deleted, {} updated\n", rows.table, rows.only_mine, rows.only_theirs,
               rows.different);
  }
}

// Since 0.2.
bool knows_schema_changes(const std::string& version) {
  int major = 0, minor = 0;
  return std::sscanf(version.c_str(), "%d.%d", &major, &minor) == 2 && (major > 0 || minor >= 2);
}

// Nodes that would halt before it. Whoever cannot be asked is not waited for.
void check_nodes(const Arguments& arguments) {
  Database db = open_database(arguments.database, Database::Mode::kReadOnly);
  NodeFile file(db);
  const Identity self = file.identity();
  const BrokerSettings broker = broker_of(arguments.database, arguments.broker);
  std::optional<Heartbeats> heartbeats;
  try {
    ClusterStatus status(
        {.broker = broker, .cluster = self.cluster, .read_only = true, .client_name = "colony migrate"});
    heartbeats = read_heartbeats(status);
  } catch (const LogUnavailable& error) {
    fmt::print(stderr,
               "the broker cannot be asked which versions the other nodes run ({}): the migration waits here until it "
               "is back\n",
               error.what());
    return;
  }
  for (const Member& member : members_of(file, &*heartbeats, kGoneAfter, std::chrono::system_clock::now())) {
    const bool is_awaited = member.standing == Standing::kLive || member.standing == Standing::kSilent;
    if (!is_awaited || !member.heartbeat) continue;
    if (knows_schema_changes(member.heartbeat->version)) continue;
    throw Error(fmt::format("node {} runs Colony {}, which halts before a change of the schema: upgrade it first",
                            member.node, member.heartbeat->version));
  }
}

int run(const Arguments& arguments) {
  if (arguments.sql_file.empty() == arguments.command.empty()) {
    throw Error("give a file with SQL, or after -- a command that migrates the database at {}");
  }
  const std::string sql = arguments.sql_file.empty() ? "" : text_of(arguments.sql_file);
  if (!arguments.dry_run) check_nodes(arguments);
  std::unique_ptr<MigrationRehearsal> rehearsal;
  {
    ProgressLine line("copying " + arguments.database);
    const auto go_on = [&](std::uint64_t done, std::uint64_t total) {
      line.bytes(done, total);
      return true;
    };
    const BeginRead begin = captured_reads(arguments.database, [] { return true; });
    rehearsal = std::make_unique<MigrationRehearsal>(arguments.database, go_on, begin);
  }
  arguments.command.empty() ? rehearsal->run_sql(sql) : rehearsal->run_command(arguments.command);
  Migration migration = rehearsal->compare();
  if (migration.empty()) {
    fmt::print("the migration changes nothing{}\n",
               arguments.command.empty() ? "" : "; did the command open the database at {} or $COLONY_DATABASE?");
    return kDone;
  }
  show(migration);
  if (arguments.dry_run) return kDone;
  const ChunkNumber last = put_into(arguments.database, migration);
  fmt::print("{}: migrated; on its way to the other nodes as transaction {}: colony wait {} tells when all have it\n",
             arguments.database, last.value(), arguments.database);
  return kDone;
}

}  // namespace

void add_migrate(CLI::App& app, const std::vector<std::string>& words, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command =
      app.add_subcommand("migrate", "Change the schema and the rows on all nodes as one transaction");
  add_database(*command, arguments->database);
  command->add_option("FILE.sql", arguments->sql_file, "SQL to run; - for standard input");
  command->add_flag("--dry-run", arguments->dry_run, "Show what it would change, and change nothing");
  add_broker(*command, arguments->broker);
  command->footer(
      "Runs the SQL, or the command, on a copy of the file first. What it has changed there, of the schema and of "
      "rows, "
      "then becomes one transaction of the log: every node makes it at the same place among all writes, or none does. "
      "Programs can go on writing meanwhile.\n"
      "\n"
      "  colony migrate app.db 0007_prices.sql --dry-run\n"
      "  colony migrate app.db -- python3 manage.py migrate\n"
      "\n"
      "In the words of the command, {} stands for the path of the copy, and so does the variable COLONY_DATABASE in "
      "its "
      "environment: let the program open that file. Programs that have loaded colony.so can also just run their own "
      "migrations: see Schema changes in docs/operations.md.\n"
      "\n"
      "Exit codes: 0 done, or there was nothing to do; 2 it could not be done, and nothing has changed.");
  command->callback([arguments, &words, &exit_code] {
    arguments->command = words;
    exit_code = run(*arguments);
  });
}

std::vector<std::string> take_command_words(int& argc, char** argv) {
  std::vector<std::string> words;
  if (argc < 2 || argv[1] != std::string_view("migrate")) return words;
  for (int i = 2; i < argc; ++i) {
    if (argv[i] != std::string_view("--")) continue;
    words.assign(argv + i + 1, argv + argc);
    argc = i;
  }
  return words;
}

}  // namespace colony::cli
