// What to do about an error of SQLite's, for the line that says that a sidecar has
// halted: it tries again by itself every three seconds.
#pragma once

#include <string>

#include "replicator/store/sqlite.h"

namespace colony {

// Begins with ": ", or is empty when nobody can know.
std::string disk_advice(const SqliteError& error);

}  // namespace colony
