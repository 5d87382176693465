// A file goes over from one capture mode to the other (file_layout.h), with no sidecar on it,
// and no commit is captured by neither or by both: all is one write transaction. What programs
// committed before it was captured in the former mode, what they commit after it is in the new
// one, also on connections that stay open meanwhile.
//
// Threads: one. Errors: Error, with one line that says what to do; SqliteError, RecordError.
#pragma once

#include <memory>
#include <string>

#include "replicator/status/status.h"
#include "replicator/store/file_layout.h"

namespace colony {

// Keeps sidecars away while the result lives. Throws Error if one runs.
std::unique_ptr<Status> alone_for_switch(const std::string& path, CaptureMode mode);

// In the caller's write transaction. Does nothing to a file that is in this mode.
void switch_capture(Database& db, CaptureMode mode);

}  // namespace colony
