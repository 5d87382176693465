#include <spdlog/fmt/fmt.h>

#include <memory>

#include "replicator/broker/jetstream_log.h"
#include "replicator/cli/command.h"
#include "replicator/fold/json.h"
#include "replicator/membership/enrollment.h"
#include "replicator/snapshot_store/snapshot_catalog.h"

namespace colony::cli {
namespace {

struct Arguments {
  std::string path, from;
  BrokerSettings broker;
  bool json = false;
};

std::optional<LogInfo> log_of(const Identity& self, const BrokerSettings& broker) {
  try {
    return JetStreamLog(
               {.broker = broker, .cluster = self.cluster, .read_only = true, .client_name = "colony snapshots"})
        .info();
  } catch (const Error&) {
    return std::nullopt;
  }
}

// Whether the log goes on from there.
bool leads_on(const SnapshotName& name, const LogInfo& log) {
  return name.epoch == log.epoch && name.position.next() >= log.first;
}

void print_json(const std::vector<CatalogedSnapshot>& snapshots, const std::optional<LogInfo>& log,
                const std::string& url) {
  std::vector<std::string> lines;
  for (const auto& [name, bytes] : snapshots) {
    JsonObject object;
    object.add("position", name.position.value()).add("made", utc_text(name.made_s)).add("node", name.node);
    object.add("bytes", bytes).add("epoch", name.epoch).add("name", name.text());
    if (log) {
      object.add("log_leads_on", leads_on(name, *log));
    } else {
      object.add_null("log_leads_on");
    }
    lines.push_back(object.text());
  }
  fmt::print("{}\n", JsonObject().add("store", url).add_raw("snapshots", json_array(lines)).text());
}

void print_text(const std::vector<CatalogedSnapshot>& snapshots, const std::optional<LogInfo>& log,
                const std::string& url) {
  fmt::print("{} in {}\n", snapshots.size() == 1 ? "1 snapshot" : fmt::format("{} snapshots", snapshots.size()), url);
  if (snapshots.empty()) return;
  fmt::print("{:>12}  {:<20}  {:<12}  {:>14}  {}\n", "position", "made", "by node", "bytes", "restores");
  for (const auto& [name, bytes] : snapshots) {
    const char* const reach = !log                   ? "that position; no broker answers"
                              : leads_on(name, *log) ? "any position from there on"
                                                     : "that position only";
    fmt::print("{:>12}  {:<20}  {:<12}  {:>14}  {}\n", name.position.value(), utc_text(name.made_s), name.node, bytes,
               reach);
  }
}

int run(const Arguments& arguments) {
  Identity self;
  {
    Database db = open_database(arguments.path, Database::Mode::kReadOnly);
    self = NodeFile(db).identity();
  }
  const BrokerSettings broker = broker_of(arguments.path, arguments.broker);
  SnapshotCatalog catalog(open_snapshot_store(arguments.from, self.cluster, broker, 1), self.cluster);
  const std::vector<CatalogedSnapshot> snapshots = catalog.list();
  const std::optional<LogInfo> log = log_of(self, broker);
  if (arguments.json) {
    print_json(snapshots, log, catalog.url());
  } else {
    print_text(snapshots, log, catalog.url());
  }
  return kDone;
}

}  // namespace

void add_snapshots(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = app.add_subcommand("snapshots", "List the colony's snapshots");
  add_database(*command, arguments->path);
  command->add_option("--from", arguments->from, "Where the snapshots are, as for colony run --snapshots")
      ->envname("COLONY_SNAPSHOTS")
      ->default_val("nats:")
      ->type_name("URL");
  command->add_flag("--json", arguments->json, "Print one JSON document");
  add_broker(*command, arguments->broker);
  command->footer(
      "Shows each snapshot's position in the log, and what colony restore can make of it: every position from there "
      "on, "
      "or that position only, if the log after it has been cut.\n\n"
      "Exit codes: 0 done; 2 it could not be done.");
  command->callback([arguments, &exit_code] { exit_code = run(*arguments); });
}

}  // namespace colony::cli
