#include <memory>

#include "replicator/cli/command.h"
#include "replicator/node/sidecar.h"

namespace colony::cli {

void add_run(CLI::App& app, int& exit_code) {
  auto settings = std::make_shared<SidecarSettings>();
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
  command->set_config("--config", "", "Read flags from this TOML file; flags and COLONY_... variables beat it");
  command->footer(
      "Runs until SIGTERM or SIGINT, and then ends with exit code 0. It waits for a broker that is not there, and\n"
      "reconnects for ever: the app can read and write all the while. It can be killed at any instant.\n"
      "Logs go to stderr; how it is doing tells colony status.");
  command->callback([settings, &exit_code] {
    Sidecar(*settings).run();
    exit_code = kDone;
  });
}

}  // namespace colony::cli
