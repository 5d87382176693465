// Which process has a database open, and which has a deleted file open. Asks the kernel,
// because SQLite cannot tell.
#pragma once

#include <sys/types.h>

#include <string>

namespace colony {

// A process other than this one that has the database open in WAL mode; 0 if there is
// none, -1 if it cannot be named. `descriptor` is one of the database's.
pid_t other_user_of(int descriptor);

// A process other than this one that has a file open which was deleted from `path`; 0
// if none can be seen. Those of other users can only be seen by root.
pid_t holder_of_deleted(const std::string& path);

}  // namespace colony
