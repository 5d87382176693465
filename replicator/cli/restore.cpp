#include "replicator/snapshots/restore.h"

#include <spdlog/fmt/fmt.h>

#include <ctime>
#include <memory>
#include <set>

#include "replicator/broker/jetstream_log.h"
#include "replicator/cli/command.h"
#include "replicator/cli/progress_line.h"
#include "replicator/log/error.h"

namespace colony::cli {
namespace {

struct Arguments {
  std::string to, from, cluster, at;
  BrokerSettings broker;
};

std::optional<std::int64_t> parse_time(const std::string& text) {
  for (const char* format : {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d"}) {
    std::tm parts{};
    const char* const end = strptime(text.c_str(), format, &parts);
    if (end == nullptr || *end != '\0') continue;
    const int day = parts.tm_mday;
    const std::int64_t time = timegm(&parts);
    if (parts.tm_mday == day) return time;  // there is such a day
  }
  return std::nullopt;
}

void parse_at(const std::string& at, RestoreRequest& request) {
  if (at.empty()) return;
  if (at.find_first_not_of("0123456789") == at.npos && at.size() < 20) {
    request.at = Sequence(std::stoull(at));
  } else if (const auto time = parse_time(at)) {
    request.at_time_s = time;
  } else {
    throw Error("'" + at + "' is neither a position nor a time in UTC like 2026-11-21T04:00:00Z");
  }
}

// The one colony whose snapshots the store has.
std::string only_cluster(const Arguments& arguments) {
  if (!arguments.cluster.empty()) return arguments.cluster;
  if (arguments.from.starts_with("nats:"))
    throw Error("give --cluster: a broker can have the logs of several colonies");
  std::set<std::string> clusters;
  for (const StoredObject& object : open_snapshot_store(arguments.from, "", arguments.broker, 1)->list()) {
    if (const auto name = parse_snapshot_name(object.name)) clusters.insert(name->cluster);
  }
  if (clusters.size() == 1) return *clusters.begin();
  if (clusters.empty()) throw Error(arguments.from + " has no snapshots");
  std::string names;
  for (const std::string& name : clusters) names += (names.empty() ? "" : ", ") + name;
  throw Error("give --cluster: the store has snapshots of " + names);
}

int run(const Arguments& arguments) {
  RestoreRequest request;
  request.to = arguments.to;
  parse_at(arguments.at, request);
  if (arguments.broker.urls == "none" && arguments.from.starts_with("nats:")) {
    throw Error("the snapshots are in the broker: give its URL by --nats, or another store by --from");
  }
  const std::string cluster = only_cluster(arguments);
  SnapshotCatalog catalog(open_snapshot_store(arguments.from, cluster, arguments.broker, 1), cluster);
  std::unique_ptr<JetStreamLog> log;
  if (arguments.broker.urls != "none") {
    log = std::make_unique<JetStreamLog>(JetStreamSettings{
        .broker = arguments.broker, .cluster = cluster, .read_only = true, .client_name = "colony restore"});
  }
  ProgressLine line("restoring " + arguments.to);
  const Sequence position = restore(request, log.get(), catalog, [&](std::uint64_t done, std::uint64_t total) {
    line.bytes(done, total);
    return true;
  });
  fmt::print("{}: an ordinary SQLite file with the rows of colony {} at position {}\n", arguments.to, cluster,
             position.value());
  return kDone;
}

}  // namespace

void add_restore(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command =
      app.add_subcommand("restore", "Write the colony's rows as of a position or time to a new file");
  command->add_option("OUT", arguments->to, "The file to write; it must not exist")->required();
  command->add_option("--from", arguments->from, "Where the snapshots are, as for colony run --snapshots")
      ->envname("COLONY_SNAPSHOTS")
      ->default_val("nats:")
      ->type_name("URL");
  command->add_option("--at", arguments->at, "A position in the log, or a time in UTC. Without it: the end of the log")
      ->type_name("POSITION|TIME");
  command->add_option("--cluster", arguments->cluster, "The colony; needed with nats: and where a store has several")
      ->envname("COLONY_CLUSTER")
      ->type_name("NAME");
  command
      ->add_option(
          "--nats", arguments->broker.urls,
          "Address of the NATS server, or several separated by commas. none: take a snapshot as it is, without the log")
      ->envname("COLONY_NATS")
      ->default_val(kDefaultBroker)
      ->type_name("URL");
  add_access(*command, arguments->broker);
  command->footer(
      "Takes the newest snapshot before the position, applies the log from there, and takes Colony out: the result is "
      "an ordinary SQLite file that any program can read and write. colony snapshots DB shows which positions are "
      "covered.\n"
      "\n"
      "Exit codes: 0 done; 2 it could not be done.\n"
      "\n"
      "  colony restore yesterday.db --cluster shop --at 2026-11-20T18:00:00Z\n"
      "  colony restore newest.db --from /backups --nats none");
  command->callback([arguments, &exit_code] {
    arguments->broker = complete(arguments->broker);
    exit_code = run(*arguments);
  });
}

}  // namespace colony::cli
