#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "replicator/cli/command.h"
#include "replicator/cli/progress_line.h"
#include "replicator/log/error.h"
#include "replicator/log/jetstream_log.h"
#include "replicator/node/enrollment.h"
#include "replicator/node/join.h"
#include "replicator/node/sidecar.h"

namespace colony::cli {
namespace {

struct Arguments {
  SidecarSettings sidecar;
  std::string cluster, node, config;
};

// Gives the flags that neither the command line nor the environment has given
// the values that the file has for them.
void read_config(CLI::App& command, const std::string& path) {
  std::vector<CLI::ConfigItem> items;
  try {
    items = CLI::ConfigTOML().from_file(path);
  } catch (const CLI::Error& error) {
    throw Error(path + ": " + error.what());
  }
  for (const CLI::ConfigItem& item : items) {
    if (item.name == "++" || item.name == "--") continue;  // where a section begins and ends
    CLI::Option* const option = command.get_option_no_throw("--" + item.fullname());
    if (option == nullptr || item.name == "config" || item.name == "help") {
      throw Error(path + " sets " + item.fullname() + ", which is no flag of colony run");
    }
    if (option->count() > 0) continue;
    try {
      option->add_result(item.inputs);
      option->run_callback();
    } catch (const CLI::Error& error) {
      throw Error(path + ": " + error.what());
    }
  }
}

// SQLite's own temporary files: where the database has room there is room for them,
// and /tmp may be memory. SQLite asks once, when it is first used.
void keep_temporary_files_beside(const std::string& database) {
  const std::string folder = std::filesystem::absolute(database).parent_path();
  setenv("SQLITE_TMPDIR", folder.c_str(), 0);
}

std::atomic<bool> stop_asked{false};

// While no sidecar runs that would take them itself.
class StopSignals {
 public:
  StopSignals() {
    for (const int signal : {SIGTERM, SIGINT}) std::signal(signal, [](int) { stop_asked = true; });
  }
  ~StopSignals() {
    for (const int signal : {SIGTERM, SIGINT}) std::signal(signal, SIG_DFL);
  }
};

// False if it was told to stop meanwhile.
bool join_colony(const Arguments& arguments) {
  const SidecarSettings& sidecar = arguments.sidecar;
  if (arguments.cluster.empty() || arguments.node.empty()) {
    throw Error("there is no " + sidecar.database +
                ": to join a colony with a new file, give --cluster and --node; to begin one with a database of your "
                "own, run colony init");
  }
  if (sidecar.snapshot_url.empty()) throw Error("to join with a new file, --snapshots must not be none");
  const StopSignals signals;
  JetStreamLog log({.urls = sidecar.broker_urls,
                    .cluster = arguments.cluster,
                    .read_only = true,
                    .client_name = "colony " + arguments.node + " joining"});
  SnapshotShelf shelf(
      open_snapshot_store(sidecar.snapshot_url, arguments.cluster, sidecar.broker_urls, sidecar.replicas),
      arguments.cluster);
  ProgressLine line("joining colony " + arguments.cluster);
  try {
    join({sidecar.database, arguments.cluster, arguments.node}, log, shelf, [&](const JoinProgress& progress) {
      if (progress.waiting_for.empty()) {
        line.bytes(progress.done, progress.total);
      } else {
        line.waiting_for(progress.waiting_for);
      }
      return !stop_asked;
    });
  } catch (const Interrupted&) {
    return false;
  }
  return !stop_asked;
}

void check_identity(const Arguments& arguments) {
  Database db = open_database(arguments.sidecar.database, Database::Mode::kReadWrite);
  const Identity self = NodeFile(db).identity();
  const bool is_other = (!arguments.cluster.empty() && arguments.cluster != self.cluster) ||
                        (!arguments.node.empty() && arguments.node != self.node);
  if (!is_other) return;
  throw Error(arguments.sidecar.database + " is node " + self.node + " of colony " + self.cluster +
              ", and not what --cluster and --node say: leave them out, or give another file");
}

void run(Arguments& arguments) {
  if (arguments.sidecar.snapshot_url == "none") arguments.sidecar.snapshot_url.clear();
  keep_temporary_files_beside(arguments.sidecar.database);
  if (access(arguments.sidecar.database.c_str(), F_OK) != 0 && errno == ENOENT) {
    if (!join_colony(arguments)) return;
  } else {
    check_identity(arguments);
  }
  Sidecar(arguments.sidecar).run();
}

void add_retention(CLI::App& command, RetentionSettings& retention, std::int64_t& gone_after_s) {
  const auto bytes = CLI::AsSizeValue(false);
  const CLI::AsNumberWithUnit seconds(
      std::map<std::string, std::int64_t>{{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}},
      CLI::AsNumberWithUnit::CASE_INSENSITIVE, "DURATION");
  const char* const group = "Snapshots and how much of the log is kept";
  command
      .add_option("--snapshot-after-size", retention.snapshot_after_bytes,
                  "Make a snapshot when the log has grown by so much since the newest one [256MB]")
      ->transform(bytes)
      ->type_name("SIZE")
      ->envname("COLONY_SNAPSHOT_AFTER_SIZE")
      ->group(group);
  command
      .add_option("--snapshot-after", retention.snapshot_after_s,
                  "... or when that one is so old and anything was written since [24h]")
      ->transform(seconds)
      ->type_name("TIME")
      ->envname("COLONY_SNAPSHOT_AFTER")
      ->group(group);
  command.add_option("--log-keep-size", retention.log_keep_bytes, "Cut the log when it takes more than this [1GB]")
      ->transform(bytes)
      ->type_name("SIZE")
      ->envname("COLONY_LOG_KEEP_SIZE")
      ->group(group);
  command.add_option("--log-keep", retention.log_keep_s, "... or reaches further back than this [7d]")
      ->transform(seconds)
      ->type_name("TIME")
      ->envname("COLONY_LOG_KEEP")
      ->group(group);
  command.add_option("--log-keep-entries", retention.log_keep_entries, "... or has more entries than this [10000000]")
      ->check(CLI::PositiveNumber)
      ->type_name("N")
      ->envname("COLONY_LOG_KEEP_ENTRIES")
      ->group(group);
  command
      .add_option("--snapshots-keep", retention.snapshots_keep,
                  "Never cut past so many of the newest good snapshots [2]")
      ->check(CLI::Range(1, 1000))
      ->type_name("N")
      ->envname("COLONY_SNAPSHOTS_KEEP")
      ->group(group);
  command
      .add_option("--gone-after", gone_after_s,
                  "A node that was not seen for so long counts as gone, and no longer keeps the log [7d]")
      ->transform(seconds)
      ->type_name("TIME")
      ->envname("COLONY_GONE_AFTER")
      ->group(group);
}

}  // namespace

void add_run(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  SidecarSettings& sidecar = arguments->sidecar;
  CLI::App* const command = app.add_subcommand("run", "Run the sidecar: ship this node's commits, apply the others'");
  add_database(*command, sidecar.database);
  command->add_option("--nats", sidecar.broker_urls, "URL of the NATS server, or several with commas between")
      ->envname("COLONY_NATS")
      ->default_val(kDefaultBroker)
      ->type_name("URL");
  command->add_option("--cluster", arguments->cluster, "With --node: join this colony if there is no file at DB yet")
      ->envname("COLONY_CLUSTER")
      ->type_name("NAME");
  command->add_option("--node", arguments->node, "The new node's name")->envname("COLONY_NODE")->type_name("NAME");
  command->add_option("--replicas", sidecar.replicas, "Copies of the log in a NATS cluster, when this node creates it")
      ->envname("COLONY_REPLICAS")
      ->default_val(1)
      ->check(CLI::Range(1, 5));
  command
      ->add_option("--config", arguments->config,
                   "Read flags from this TOML file; flags and COLONY_... variables beat it")
      ->type_name("FILE");
  command
      ->add_option("--snapshots", sidecar.snapshot_url,
                   "Where the colony keeps its snapshots, the same on every node: nats: (in its broker), a directory, "
                   "s3://, sftp://, webdav:// or webdavs://; none: nowhere, and the log grows for ever [nats:]")
      ->envname("COLONY_SNAPSHOTS")
      ->type_name("URL")
      ->group("Snapshots and how much of the log is kept");
  add_retention(*command, sidecar.retention, sidecar.gone_after_s);
  command->footer(
      "Runs until SIGTERM or SIGINT, and then ends with exit code 0. It waits for a broker that is not there, and\n"
      "reconnects for ever: the app can read and write all the while. It can be killed at any instant.\n"
      "Logs go to stderr; how it is doing tells colony status.\n\n"
      "A new node needs no file: colony run new.db --cluster shop --node e\n"
      "takes the newest snapshot of the colony, and what the log has since. The log is cut only where a snapshot "
      "covers\n"
      "it, and not before every node that was seen lately has read it. A node that comes back later than that goes on\n"
      "from a snapshot, with its own writes on top.");
  command->callback([arguments, command, &exit_code] {
    if (!arguments->config.empty()) read_config(*command, arguments->config);
    run(*arguments);
    exit_code = kDone;
  });
}

}  // namespace colony::cli
