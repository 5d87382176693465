#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <cctype>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "replicator/broker/jetstream_log.h"
#include "replicator/cli/command.h"
#include "replicator/cli/progress_line.h"
#include "replicator/file/file_keeper.h"
#include "replicator/log/error.h"
#include "replicator/log/secret_file.h"
#include "replicator/membership/enrollment.h"
#include "replicator/sidecar/sidecar.h"
#include "replicator/snapshots/join.h"

namespace colony::cli {
namespace {

constexpr const char* kSnapshotGroup = "Snapshots and how much of the log is kept";

struct Arguments {
  SidecarSettings sidecar;
  std::string cluster, node, config;
  std::string flush = "before-send";
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
    const bool has_secret =
        item.name == "nats" && !item.inputs.empty() && item.inputs.front().find('@') != std::string::npos;
    if (has_secret) require_secret_file(path);
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
  JetStreamLog log({.broker = sidecar.broker,
                    .cluster = arguments.cluster,
                    .read_only = true,
                    .client_name = "colony " + arguments.node + " joining"});
  SnapshotCatalog catalog(
      open_snapshot_store(sidecar.snapshot_url, arguments.cluster, sidecar.broker, sidecar.replicas),
      arguments.cluster);
  ProgressLine line("joining colony " + arguments.cluster);
  try {
    join({sidecar.database, arguments.cluster, arguments.node}, log, catalog, [&](const JoinProgress& progress) {
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

// A keeper of secrets may have its reasons; an accident has none.
void warn_of_shared_secrets(const SidecarSettings& sidecar) {
  const BrokerSettings& broker = sidecar.broker;
  for (const std::string* file : {&sidecar.key_file, &broker.key_file, &broker.credentials_file, &broker.nkey_file,
                                  &broker.password_file, &broker.token_file}) {
    if (!file->empty() && group_can_read(*file))
      spdlog::warn("file={} holds a secret, and its group can read it", *file);
  }
}

void run(Arguments& arguments) {
  if (arguments.sidecar.snapshot_url == "none") arguments.sidecar.snapshot_url.clear();
  keep_temporary_files_beside(arguments.sidecar.database);
  const SidecarSettings& sidecar = arguments.sidecar;
  if (!sidecar.snapshot_url.empty()) {
    open_snapshot_store(sidecar.snapshot_url, "c", sidecar.broker, 1);  // throws if it is malformed
  }
  if (access(sidecar.database.c_str(), F_OK) != 0 && errno == ENOENT) {
    if (std::filesystem::is_symlink(sidecar.database)) {
      throw Error(sidecar.database + " is a symbolic link to a file that is not there: give the file's own name");
    }
    if (!join_colony(arguments)) return;
  } else {
    refuse_lost_log(home_of(sidecar.database).path);
    check_identity(arguments);
  }
  Sidecar(arguments.sidecar).run();
}

// The flags of the group, each with its variable.
class RetentionFlags {
 public:
  explicit RetentionFlags(CLI::App& command) : command_(command) {}

  void size(const char* flag, std::uint64_t& bytes, const char* help) {
    add(flag, bytes, help)->transform(CLI::AsSizeValue(false))->check(CLI::Range(kOne, kPebibyte))->type_name("SIZE");
  }
  void duration(const char* flag, std::int64_t& seconds, const char* help) {
    const std::map<std::string, std::int64_t> units = {{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}};
    add(flag, seconds, help)
        ->transform(CLI::AsNumberWithUnit(units, CLI::AsNumberWithUnit::CASE_INSENSITIVE))
        ->check(CLI::Range(std::int64_t{1}, kHundredYears))
        ->type_name("TIME");
  }
  template <class Count>
  void count(const char* flag, Count& number, Count max, const char* help) {
    add(flag, number, help)->check(CLI::Range(Count{1}, max))->type_name("N");
  }

 private:
  static constexpr std::uint64_t kOne = 1, kPebibyte = std::uint64_t{1} << 50;
  static constexpr std::int64_t kHundredYears = std::int64_t{36525} * 86400;

  template <class Target>
  CLI::Option* add(const char* flag, Target& target, const char* help) {
    std::string variable = std::string("COLONY_") + (flag + 2);
    for (char& c : variable) c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return command_.add_option(flag, target, help)->envname(variable)->group(kSnapshotGroup);
  }

  CLI::App& command_;
};

// Minutes, hours or days; `never` is 0.
void add_check_every(CLI::App& command, std::int64_t& seconds) {
  const std::map<std::string, std::int64_t> units = {{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}};
  const auto never = [](std::string& text) {
    if (text == "never") text = "0s";
    return std::string();
  };
  constexpr std::int64_t kYear = 366 * 86400;
  command
      .add_option("--check-every", seconds,
                  "Compare all rows with those of the other nodes once in so long (90s, 5min, 24h, 7d), a share at a "
                  "time; never: only answer when others ask [1d]")
      ->envname("COLONY_CHECK_EVERY")
      ->transform(CLI::Validator(never, "", "never"))
      ->transform(CLI::AsNumberWithUnit(units, CLI::AsNumberWithUnit::CASE_INSENSITIVE))
      ->check(CLI::Range(std::int64_t{0}, kYear))
      ->type_name("TIME");
}

void add_retention(CLI::App& command, RetentionSettings& retention, std::int64_t& gone_after_s) {
  RetentionFlags flags(command);
  flags.size("--snapshot-after-size", retention.snapshot_after_bytes,
             "Make a snapshot when the log has grown by so much since the newest one [256MB]");
  flags.duration("--snapshot-after", retention.snapshot_after_s,
                 "... or when that one is so old (90s, 5min, 24h, 7d) and anything was written since [24h]");
  flags.size("--log-keep-size", retention.log_keep_bytes, "Cut the log when it takes more than this [1GB]");
  flags.duration("--log-keep", retention.log_keep_s, "... or reaches further back than this [7d]");
  flags.count<std::uint64_t>("--log-keep-entries", retention.log_keep_entries, 1'000'000'000'000,
                             "... or has more entries than this [10000000]");
  flags.count<std::size_t>("--snapshots-keep", retention.snapshots_keep, 1000,
                           "Never cut past so many of the newest good snapshots [2]");
  flags.duration("--gone-after", gone_after_s,
                 "A node that was not seen for so long counts as gone, and no longer keeps the log [7d]");
}

}  // namespace

void add_run(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  SidecarSettings& sidecar = arguments->sidecar;
  CLI::App* const command = app.add_subcommand("run", "Run the sidecar: ship this node's commits, apply the others'");
  add_database(*command, sidecar.database);
  command->add_option("--nats", sidecar.broker.urls, "URL of the NATS server, or several with commas between")
      ->envname("COLONY_NATS")
      ->default_val(kDefaultBroker)
      ->type_name("URL");
  add_key(*command, sidecar.key_file);
  add_access(*command, sidecar.broker);
  command->add_option("--cluster", arguments->cluster, "With --node: join this colony if there is no file at DB yet")
      ->envname("COLONY_CLUSTER")
      ->type_name("NAME");
  command->add_option("--node", arguments->node, "The new node's name")->envname("COLONY_NODE")->type_name("NAME");
  command->add_option("--replicas", sidecar.replicas, "Copies of the log in a NATS cluster, when this node creates it")
      ->envname("COLONY_REPLICAS")
      ->default_val(1)
      ->check(CLI::Range(1, 5));
  command
      ->add_option("--flush", arguments->flush,
                   "before-send: what programs have committed is brought to disk before it is sent, so that a power "
                   "cut takes back nothing that other nodes have; it reaches them later by as long as the disk takes. "
                   "never: programs alone decide, by PRAGMA synchronous; with less than FULL a node that lost power "
                   "may have to be given a new name [before-send]")
      ->envname("COLONY_FLUSH")
      ->check(CLI::IsMember({"before-send", "never"}))
      ->type_name("WHEN");
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
      ->group(kSnapshotGroup);
  add_check_every(*command, sidecar.check_every_s);
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
  command->callback([arguments, command, &sidecar, &exit_code] {
    if (!arguments->config.empty()) read_config(*command, arguments->config);
    sidecar.broker = complete(sidecar.broker);
    if (!sidecar.key_file.empty()) {
      sidecar.key_file = std::filesystem::absolute(sidecar.key_file).string();
      require_secret_file(sidecar.key_file);
    }
    warn_of_shared_secrets(sidecar);
    sidecar.flushes_before_send = arguments->flush == "before-send";
    run(*arguments);
    exit_code = kDone;
  });
}

}  // namespace colony::cli
