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

constexpr const char* kSnapshotGroup = "Snapshots, and how much of the log to keep";

struct Arguments {
  SidecarSettings sidecar;
  std::string cluster, node, config;
  std::optional<CaptureMode> capture;
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
    const JoinRequest request{sidecar.database, arguments.cluster, arguments.node,
                              arguments.capture.value_or(CaptureMode::kSession)};
    join(request, log, catalog, [&](const JoinProgress& progress) {
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
  if (is_other) {
    throw Error(arguments.sidecar.database + " is node " + self.node + " of colony " + self.cluster +
                ", and not what --cluster and --node say: leave them out, or give another file");
  }
  const CaptureMode mode = capture_mode(db);
  if (!arguments.capture || *arguments.capture == mode) return;
  throw Error(arguments.sidecar.database + " is in " + to_string(mode) +
              " mode, and --capture of colony run is for a file that is made anew: leave it out, or change the mode "
              "first with colony init " +
              arguments.sidecar.database + " --cluster " + self.cluster + " --node " + self.node + " --capture " +
              to_string(*arguments.capture));
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

  void size(const char* flag, std::uint64_t& bytes, const char* by_default, const char* help) {
    add(flag, bytes, by_default, help)
        ->transform(CLI::AsSizeValue(false))
        ->check(CLI::Range(kOne, kPebibyte))
        ->type_name("SIZE");
  }
  void duration(const char* flag, std::int64_t& seconds, const char* by_default, const char* help) {
    const std::map<std::string, std::int64_t> units = {{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}};
    add(flag, seconds, by_default, help)
        ->transform(CLI::AsNumberWithUnit(units, CLI::AsNumberWithUnit::CASE_INSENSITIVE))
        ->check(CLI::Range(std::int64_t{1}, kHundredYears))
        ->type_name("TIME");
  }
  template <class Count>
  void count(const char* flag, Count& number, Count max, const char* by_default, const char* help) {
    add(flag, number, by_default, help)->check(CLI::Range(Count{1}, max))->type_name("N");
  }

 private:
  static constexpr std::uint64_t kOne = 1, kPebibyte = std::uint64_t{1} << 50;
  static constexpr std::int64_t kHundredYears = std::int64_t{36525} * 86400;

  template <class Target>
  CLI::Option* add(const char* flag, Target& target, const char* by_default, const char* help) {
    std::string variable = std::string("COLONY_") + (flag + 2);
    for (char& c : variable) c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return command_.add_option(flag, target, help)->default_str(by_default)->envname(variable)->group(kSnapshotGroup);
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
                  "Compare all rows with the other nodes', a share at a time, once in this long (90s, 5min, 24h, 7d). "
                  "never: only answer when other nodes ask")
      ->envname("COLONY_CHECK_EVERY")
      ->default_str("1d")
      ->transform(CLI::Validator(never, "", "never"))
      ->transform(CLI::AsNumberWithUnit(units, CLI::AsNumberWithUnit::CASE_INSENSITIVE))
      ->check(CLI::Range(std::int64_t{0}, kYear))
      ->type_name("TIME");
}

void add_retention(CLI::App& command, RetentionSettings& retention, std::int64_t& gone_after_s) {
  RetentionFlags flags(command);
  flags.size("--snapshot-after-size", retention.snapshot_after_bytes, "256MB",
             "Make a snapshot when the log has grown by this much since the newest one");
  flags.duration("--snapshot-after", retention.snapshot_after_s, "24h",
                 "... or when the newest one is this old (90s, 5min, 24h, 7d) and there is something new");
  flags.size("--log-keep-size", retention.log_keep_bytes, "1GB", "Cut the log when it is larger than this");
  flags.duration("--log-keep", retention.log_keep_s, "7d", "... or has entries older than this");
  flags.count<std::uint64_t>("--log-keep-entries", retention.log_keep_entries, 1'000'000'000'000, "10000000",
                             "... or has more entries than this");
  flags.count<std::size_t>("--snapshots-keep", retention.snapshots_keep, 1000, "2",
                           "Keep this many of the newest good snapshots, and the log from the oldest of them on");
  flags.duration("--gone-after", gone_after_s, "7d",
                 "Count a node as gone when it has not been seen for this long; the log is not kept for it any longer");
}

}  // namespace

void add_run(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  SidecarSettings& sidecar = arguments->sidecar;
  CLI::App* const command =
      app.add_subcommand("run", "Run the sidecar: send this node's transactions, apply the others'");
  add_database(*command, sidecar.database);
  command->add_option("--nats", sidecar.broker.urls, "Address of the NATS server, or several separated by commas")
      ->envname("COLONY_NATS")
      ->default_val(kDefaultBroker)
      ->type_name("URL");
  add_key(*command, sidecar.key_file);
  add_access(*command, sidecar.broker);
  command->add_option("--cluster", arguments->cluster, "If DB does not exist: the colony to join; needs --node")
      ->envname("COLONY_CLUSTER")
      ->type_name("NAME");
  command->add_option("--node", arguments->node, "If DB does not exist: the new node's name")
      ->envname("COLONY_NODE")
      ->type_name("NAME");
  add_capture(*command, arguments->capture,
              "If DB does not exist: how this node captures what programs commit. session: by colony.so, which they "
              "load. wal: from the write-ahead log, and programs load nothing. See colony init --help",
              "session");
  command
      ->add_option("--replicas", sidecar.replicas,
                   "If this node creates the log: how many servers of the NATS cluster keep it, 1 to 5")
      ->envname("COLONY_REPLICAS")
      ->default_val(1)
      ->check(CLI::Range(1, 5))
      ->type_name("N");
  command
      ->add_option("--flush", arguments->flush,
                   "before-send: flush commits to disk before they are sent, so that a power cut takes back nothing "
                   "that other nodes have; each transaction reaches them later by one flush. never: leave flushing to "
                   "the programs' PRAGMA synchronous; below FULL, a node that loses power may need a new name")
      ->envname("COLONY_FLUSH")
      ->default_str("before-send")
      ->check(CLI::IsMember({"before-send", "never"}))
      ->type_name("before-send|never");
  command
      ->add_flag("--audit", sidecar.audits,
                 "In session mode: read the write-ahead log as well, and capture late what a program has changed past "
                 "colony.so. Beside many readers the log may then get longer than without")
      ->envname("COLONY_AUDIT");
  command
      ->add_option("--config", arguments->config,
                   "Read flags from this TOML file; the command line and the environment take precedence")
      ->type_name("FILE");
  command
      ->add_option("--snapshots", sidecar.snapshot_url,
                   "Where the colony keeps its snapshots, the same on every node: nats: (in the broker), a directory, "
                   "s3://, sftp://, webdav:// or webdavs://. none: make no snapshots; the log then grows without end")
      ->envname("COLONY_SNAPSHOTS")
      ->default_str("nats:")
      ->type_name("URL")
      ->group(kSnapshotGroup);
  add_check_every(*command, sidecar.check_every_s);
  add_retention(*command, sidecar.retention, sidecar.gone_after_s);
  command->footer(
      "Runs until SIGTERM or SIGINT. While no broker answers it keeps trying, and programs go on reading and writing. "
      "It may be killed at any time: the next start goes on where it stopped. It logs to stderr; colony status shows "
      "how it is doing.\n"
      "\n"
      "A new node needs no file: with --cluster and --node the command makes DB from the newest snapshot and the log "
      "since.\n"
      "\n"
      "The log is cut only where a snapshot covers it, and not before every node seen within --gone-after has read it. "
      "A node that comes back later starts again from a snapshot and keeps its own unsent transactions.\n"
      "\n"
      "Exit codes: 0 told to stop; 2 it could not start or go on.\n"
      "\n"
      "  colony run app.db --nats nats://10.0.0.1:4222,nats://10.0.0.2:4222\n"
      "  colony run new.db --cluster shop --node e --nats nats://10.0.0.1:4222");
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
