// What a sidecar makes sure of before it serves a file: that it can be replicated, and
// that it is not somebody else's copy.
//
// Threads: the caller's, before any other has the file open. Errors: Error, in one line
// that says what to do; SqliteError.
#pragma once

#include <string>

#include "replicator/store/node_file.h"

namespace colony {

// Brings the layout up to date, and notes where the file lives now. Throws Error if it is
// not in WAL mode, no node's, or the copy of a file that still stands where it was made.
Identity claim_file(const std::string& path);

// Whether it has taken a log for its own.
bool has_met_log(const std::string& path);

}  // namespace colony
