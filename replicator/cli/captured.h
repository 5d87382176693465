// What a command tells of a file in wal mode: with what programs have committed just now, which
// it captures first. In session mode it just reads.
//
// Errors: NotCaptured, SqliteError (SQLITE_BUSY when `go_on` says so).
#pragma once

#include <functional>
#include <string>

#include "replicator/store/node_file.h"

namespace colony::cli {

void look_at_captured(const std::string& path, const std::function<bool()>& go_on,
                      const std::function<void(NodeFile& file)>& look);

}  // namespace colony::cli
