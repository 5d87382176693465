// Which tables of a file can be replicated, and why the others cannot.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "replicator/store/file_layout.h"

namespace colony {

struct ChosenTable {
  std::string name;
  bool self_numbered = false;  // an INTEGER PRIMARY KEY: SQLite picks keys that another node may pick too
  bool allows_null = false;    // in its key: such rows cannot be told apart, nor replicated
};

struct TableChoice {
  std::vector<ChosenTable> replicated;
  std::vector<std::pair<std::string, std::string>> left_out;  // name, why
};

// Whether a word of --tables is a pattern, as of GLOB, and not a name.
bool is_pattern(const std::string& word);

// All that can be replicated, or just `only`: names, and patterns, which may fit nothing. Throws
// Error if a table that `only` names is missing or cannot be.
//
// Rows with a NULL in the key are refused in session mode, so that a table is left out that has
// some when it is new. In wal mode nobody can refuse them: they stay on their node.
TableChoice choose_tables(Database& db, const std::optional<std::vector<std::string>>& only,
                          CaptureMode mode = CaptureMode::kSession);

}  // namespace colony
