// metad: a small HTTP service over metadata tables, as somebody would write it on
// Colony. See service.h for what it offers, docs in tests/load/README.md.

#include <CLI/CLI.hpp>
#include <cstdio>

#include "tests/load/metad/open_files.h"
#include "tests/load/metad/server.h"

namespace {

constexpr int kSecondsMax = 366 * 24 * 3600;

// "127.0.0.1:8080", "[::1]:0", "8080".
void parse_listen(const std::string& text, metad::ServerSettings& settings) {
  const std::size_t colon = text.rfind(':');
  std::string address = colon == text.npos ? settings.address : text.substr(0, colon);
  if (address.size() > 1 && address.front() == '[' && address.back() == ']') {
    address = address.substr(1, address.size() - 2);
  }
  const std::string port = colon == text.npos ? text : text.substr(colon + 1);
  if (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != port.npos || std::stoi(port) > 65535) {
    throw CLI::ValidationError("--listen", "'" + text + "' is no ADDRESS:PORT");
  }
  settings.address = address;
  settings.port = static_cast<std::uint16_t>(std::stoi(port));
}

}  // namespace

int main(int argc, char** argv) {
  metad::ServerSettings settings;
  std::string listen = "127.0.0.1:0";
  std::uint64_t clients = 50'000;
  CLI::App app(
      "Serves objects, placements and values of one SQLite file over HTTP.\n"
      "On Colony: `colony run` beside it, and its extension unless the file is in wal mode.",
      "metad");
  app.set_version_flag("--version", COLONY_VERSION);
  app.add_option("DB", settings.writer.path, "The file, with the tables of deploy/demo/schema.sql")->required();
  app.add_option("--extension", settings.writer.extension,
                 "The path of colony.so, for the file of a colony in session mode; others have to do without");
  app.add_option("--listen", listen, "ADDRESS:PORT, port 0 for a free one (default 127.0.0.1:0)");
  app.add_option("--threads", settings.threads, "Threads that serve, each with a read connection")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--group-ms", settings.queue.group_ms, "How long a write waits for others to share its commit")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  app.add_flag("--sync-each-commit", settings.writer.sync_each_commit,
               "Answer a write when it is on the disk (default: when it survives the death of this process)");
  app.add_option("--expire-every", settings.queue.expire_every_s,
                 "Seconds between two rounds of deleting expired values; on one node of a colony (default: 0, never)")
      ->check(CLI::Range(0, kSecondsMax));
  // Below 0 it would delete what has not expired.
  app.add_option("--expire-grace", settings.queue.expire_grace_s, "Seconds that an expired row is kept")
      ->check(CLI::Range(0, kSecondsMax))
      ->capture_default_str();
  app.add_option("--request-timeout", settings.request_s, "Seconds that a client has to send a request")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  app.add_option("--idle-timeout", settings.idle_s, "Seconds after which a client that asks nothing is closed")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--clients", clients, "Connections to have room for; fewer if the limit of open files does not allow")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
    parse_listen(listen, settings);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    std::fprintf(stderr, "metad: %s; see metad --help\n", error.what());
    return 2;
  }
  try {
    load::raise_open_files_up_to(clients + 100);
    metad::Server server(settings);
    std::fprintf(stderr, "metad: serving %s on http://%s:%u\n", settings.writer.path.c_str(), settings.address.c_str(),
                 static_cast<unsigned>(server.port()));
    server.run();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "metad: %s\n", error.what());
    return 2;
  }
}
