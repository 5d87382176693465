#include "replicator/cli/command.h"
#include "replicator/node/status.h"

namespace colony::cli {

void add_database(CLI::App& command, std::string& path) {
  command.add_option("DB", path, "The SQLite database file")->required();
}

void add_broker(CLI::App& command, std::string& urls) {
  command
      .add_option(
          "--nats", urls,
          "URL of the NATS server, or several with commas between. If not given: the one that the running sidecar "
          "uses, else nats://127.0.0.1:4222")
      ->envname("COLONY_NATS")
      ->type_name("URL");
}

std::string broker_of(const std::string& database, const std::string& given) {
  if (!given.empty()) return given;
  const std::optional<StatusView> sidecar = Status::of(database);
  return sidecar && !sidecar->broker.empty() ? sidecar->broker : kDefaultBroker;
}

}  // namespace colony::cli
