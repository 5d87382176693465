// The `colony` program: its command line, and the edge at which every error
// becomes one line and an exit code.
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "replicator/cli/command.h"
#include "replicator/cli/help_page.h"
#include "replicator/log/error.h"

namespace {

constexpr const char* kAbout =
    "Colony keeps one SQLite database in step on several machines. Each machine reads and writes its own file. The "
    "extension colony.so, loaded by the programs, records each transaction as it commits; the sidecar, colony run, "
    "sends it through NATS JetStream and applies the transactions of the other machines.";

constexpr const char* kFooter =
    "Exit codes:\n"
    "  0  done and well\n"
    "  1  the answer is no: nodes differ, a node is not well, the wait timed out\n"
    "  2  it could not be done: one line on stderr says why and what to do\n\n"
    "A first colony, on one machine:\n"
    "  colony init app.db --cluster shop --node a\n"
    "  colony run app.db --nats nats://127.0.0.1:4222 &\n"
    "  sqlite3 app.db -cmd '.load colony' \"INSERT INTO customers VALUES(1, 'Ada')\"\n"
    "  colony wait app.db && colony verify app.db\n\n"
    "See colony COMMAND --help for each command.";

void log_to_stderr() {
  auto logger = spdlog::stderr_logger_mt("colony");
  logger->set_pattern("time=%Y-%m-%dT%H:%M:%S.%e%z level=%l %v");
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace

int main(int argc, char** argv) {
  using namespace colony;
  log_to_stderr();
  CLI::App app(kAbout, "colony");
  app.formatter(std::make_shared<cli::HelpPage>());
  app.set_version_flag("--version", "colony " COLONY_VERSION);
  app.require_subcommand(1);
  int exit_code = cli::kFailed;
  const std::vector<std::string> words = cli::take_command_words(argc, argv);
  cli::add_init(app, exit_code);
  cli::add_run(app, exit_code);
  cli::add_status(app, exit_code);
  cli::add_wait(app, exit_code);
  cli::add_verify(app, exit_code);
  cli::add_repair(app, exit_code);
  cli::add_conflicts(app, exit_code);
  cli::add_snapshot(app, exit_code);
  cli::add_snapshots(app, exit_code);
  cli::add_restore(app, exit_code);
  cli::add_nodes(app, exit_code);
  cli::add_leave(app, exit_code);
  cli::add_recover(app, exit_code);
  cli::add_migrate(app, words, exit_code);
  cli::add_keygen(app, exit_code);
  cli::add_trust(app, exit_code);
  cli::add_detach(app, exit_code);
  for (CLI::App* const command : app.get_subcommands({})) command->group("Commands");
  app.footer(kFooter);  // after the commands, which would inherit it
  try {
    cli::refuse_secrets_on_the_command_line(argc, argv);
    // CLI11 would only say that a command is missing.
    const auto is_asked = [&](const CLI::App* command) { return command->get_name() == argv[1]; };
    const auto commands = app.get_subcommands([](CLI::App*) { return true; });
    if (argc > 1 && argv[1][0] != '-' && std::none_of(commands.begin(), commands.end(), is_asked)) {
      throw Error(std::string("there is no command '") + argv[1] + "' (see colony --help)");
    }
    app.parse(argc, argv);
    return exit_code;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    std::fprintf(stderr, "colony: %s (see colony --help)\n", error.what());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "colony: %s\n", error.what());
  }
  return cli::kFailed;
}
