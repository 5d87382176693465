#include "replicator/cli/command.h"

namespace colony::cli {

void add_database(CLI::App& command, std::string& path) {
  command.add_option("DB", path, "The node's SQLite database file")->required();
}

}  // namespace colony::cli
