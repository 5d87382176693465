#include <cstdlib>
#include <filesystem>
#include <memory>

#include "replicator/cli/command.h"
#include "replicator/log/error.h"
#include "replicator/node/sidecar.h"

namespace colony::cli {
namespace {

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

}  // namespace

void add_run(CLI::App& app, int& exit_code) {
  auto settings = std::make_shared<SidecarSettings>();
  auto config = std::make_shared<std::string>();
  CLI::App* const command = app.add_subcommand("run", "Run the sidecar: ship this node's commits, apply the others'");
  add_database(*command, settings->database);
  command->add_option("--nats", settings->broker_urls, "URL of the NATS server, or several with commas between")
      ->envname("COLONY_NATS")
      ->default_val(kDefaultBroker)
      ->type_name("URL");
  command
      ->add_option("--replicas", settings->replicas, "Copies of the log in a NATS cluster, when this node creates it")
      ->envname("COLONY_REPLICAS")
      ->default_val(1)
      ->check(CLI::Range(1, 5));
  command->add_option("--config", *config, "Read flags from this TOML file; flags and COLONY_... variables beat it")
      ->type_name("FILE");
  command->footer(
      "Runs until SIGTERM or SIGINT, and then ends with exit code 0. It waits for a broker that is not there, and\n"
      "reconnects for ever: the app can read and write all the while. It can be killed at any instant.\n"
      "Logs go to stderr; how it is doing tells colony status.");
  command->callback([settings, config, command, &exit_code] {
    if (!config->empty()) read_config(*command, *config);
    keep_temporary_files_beside(settings->database);
    Sidecar(*settings).run();
    exit_code = kDone;
  });
}

}  // namespace colony::cli
