// Which other processes have a database open, by /proc: so that they can be named before
// something is done that they would notice.
//
// Nothing of the database's is opened but its -shm, and that is closed again: to be called
// before this process has opened the database (wal_index.h says why). What cannot be told
// is not told; nothing here fails.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace colony {

struct FileUser {
  pid_t process = 0;           // 0: of a container that cannot be seen from here
  std::string command;         // `python3 app.py`, cut if it is long; empty if it is not known
  bool has_extension = false;  // colony.so is loaded in it
  bool is_colony = false;      // a sidecar, or another command of this very program
};

struct FileUsers {
  std::vector<FileUser> processes;  // by their number
  // Of other users, who may write the file and cannot be looked into.
  std::size_t hidden = 0;
};

FileUsers users_of(const std::string& database);

// Who has the database's file locked so that nobody else can read it: for good with PRAGMA
// locking_mode=EXCLUSIVE, and otherwise for as long as one changes a database that is not in
// WAL mode. Opens the file and closes it.
std::optional<FileUser> exclusive_user_of(const std::string& database);

// `process 4711 (python3 app.py)`
std::string to_string(const FileUser& user);

}  // namespace colony
