// Which tables of a file can be replicated, and why the others cannot.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "replicator/store/sqlite.h"

namespace colony {

struct ChosenTable {
  std::string name;
  bool self_numbered = false;  // an INTEGER PRIMARY KEY: SQLite picks keys that another node may pick too
};

struct TableChoice {
  std::vector<ChosenTable> replicated;
  std::vector<std::pair<std::string, std::string>> left_out;  // name, why
};

// All that can be replicated, or just `only`. Throws Error if one of `only`
// is missing or cannot be.
TableChoice choose_tables(Database& db, const std::optional<std::vector<std::string>>& only);

}  // namespace colony
