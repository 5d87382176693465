#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>

#include <cstdlib>
#include <memory>

#include "replicator/cli/command.h"
#include "replicator/cli/progress_line.h"
#include "replicator/log/error.h"
#include "replicator/membership/enrollment.h"
#include "replicator/snapshots/snapshot_maker.h"
#include "replicator/wal/own_transaction.h"

namespace colony::cli {
namespace {

struct Arguments {
  std::string path, to;
  BrokerSettings broker;
};

bool is_directory(const std::string& path) {
  struct stat file {};
  return stat(path.c_str(), &file) == 0 && S_ISDIR(file.st_mode);
}

// A store's URL or a directory that is there; anything else is the name of a file to be.
bool is_store(const std::string& to) {
  const std::string scheme = to.substr(0, to.find(':') + 1);
  for (const char* const known : {"nats:", "file:", "s3:", "sftp:", "webdav:", "webdavs:"}) {
    if (scheme == known) return true;
  }
  return is_directory(to);
}

// Where the colony's snapshots are, if --to does not say otherwise.
std::string usual_store() {
  const char* const url = std::getenv("COLONY_SNAPSHOTS");
  if (url == nullptr || *url == '\0') return "nats:";
  if (std::string_view(url) == "none") throw Error("COLONY_SNAPSHOTS is none: give the place by --to");
  return url;
}

int run(const Arguments& arguments) {
  Identity self;
  {
    Database db = open_database(arguments.path, Database::Mode::kReadOnly);
    self = NodeFile(db).identity();
  }
  ProgressLine line("snapshot of " + arguments.path);
  const auto go_on = [&](std::uint64_t done, std::uint64_t total) {
    line.bytes(done, total);
    return true;
  };
  if (!arguments.to.empty() && !is_store(arguments.to)) {
    back_up(arguments.path, arguments.to, go_on);
    fmt::print("{}: an ordinary SQLite file with the rows of {}\n", arguments.to, arguments.path);
    return kDone;
  }
  SnapshotCatalog catalog(open_snapshot_store(arguments.to.empty() ? usual_store() : arguments.to, self.cluster,
                                              broker_of(arguments.path, arguments.broker), 1),
                          self.cluster);
  const BeginRead begin = captured_reads(arguments.path, [] { return true; });
  const CatalogedSnapshot made = store_snapshot(arguments.path, catalog, go_on, begin);
  fmt::print("position {}, {} bytes: {} in {}\n", made.name.position.value(), made.bytes, made.name.text(),
             catalog.url());
  return kDone;
}

}  // namespace

void add_snapshot(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = app.add_subcommand("snapshot", "Make a snapshot of the colony, or a backup of a file");
  add_database(*command, arguments->path);
  command
      ->add_option("--to", arguments->to,
                   "Where to put it. A snapshot: nats: (in the broker), an existing directory, s3://, sftp://, "
                   "webdav:// or webdavs://. A backup: the name of a new file. Without it: $COLONY_SNAPSHOTS, else "
                   "nats:")
      ->type_name("URL|FILE");
  add_broker(*command, arguments->broker);
  command->footer(
      "A snapshot has the rows as of the file's position in the log, without pending transactions: a new node can "
      "start from it. A backup is an ordinary SQLite file with the rows as programs see them now.\n"
      "\n"
      "Programs and the sidecar go on meanwhile. It needs room for a copy of the file beside it.\n"
      "\n"
      "Exit codes: 0 done; 2 it could not be done.\n"
      "\n"
      "  colony snapshot app.db\n"
      "  colony snapshot app.db --to /backups/app-monday.db");
  command->callback([arguments, &exit_code] { exit_code = run(*arguments); });
}

}  // namespace colony::cli
