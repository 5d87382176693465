#include "replicator/cli/command.h"

namespace colony::cli {

void add_database(CLI::App& command, std::string& path) {
  command.add_option("DB", path, "The node's SQLite database file")->required();
}

void add_capture(CLI::App& command, std::optional<CaptureMode>& mode, const std::string& help,
                 const std::string& by_default) {
  command
      .add_option_function<std::string>(
          "--capture",
          [&mode](const std::string& word) {
            mode = word == to_string(CaptureMode::kWal) ? CaptureMode::kWal : CaptureMode::kSession;
          },
          help)
      ->envname("COLONY_CAPTURE")
      ->default_str(by_default)
      ->check(CLI::IsMember({to_string(CaptureMode::kSession), to_string(CaptureMode::kWal)}))
      ->type_name("session|wal");
}

}  // namespace colony::cli
