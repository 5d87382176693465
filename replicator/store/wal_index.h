// Who holds SQLite's locks on a database in WAL mode, and how full its write-ahead log
// is: read from `<db>-shm`, whose layout and lock bytes SQLite documents (walformat).
//
// Closing a file drops every lock that its process has on it (POSIX), those of SQLite
// too. So a process that has the database open must keep its WalIndex until it has
// closed that: `colony run` for good, a command by looking before it opens the database.
//
// Threads: one. Nothing here fails: what cannot be told is not told.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace colony {

struct LockHolder {
  pid_t process = 0;    // 0: of a container that cannot be seen from here
  std::string command;  // its name; empty if it is not known
  bool operator==(const LockHolder&) const = default;
};

// `process 4711 (python3), process 4712 (sqlite3)`
std::string to_string(const std::vector<LockHolder>& holders);

class WalIndex {
 public:
  // Touches nothing: the file is opened when it is first asked for.
  explicit WalIndex(const std::string& database) : path_(database + "-shm") {}
  ~WalIndex();
  WalIndex(const WalIndex&) = delete;
  WalIndex& operator=(const WalIndex&) = delete;

  struct Fill {
    std::uint32_t pages = 0;         // in the log, since it was last begun anew
    std::uint32_t checkpointed = 0;  // of these, copied into the database
  };
  std::optional<Fill> fill();

  // Which other processes have the database open in WAL mode.
  std::vector<LockHolder> users();

  // Which other processes hold the write lock: at most one.
  std::vector<LockHolder> writers();

  // Which other processes read a state of the database that keeps pages of the log from
  // being copied, or the log from being begun anew.
  std::vector<LockHolder> readers_in_the_way();

 private:
  bool open();
  std::vector<pid_t> holders_of(off_t byte);

  std::string path_;
  int file_ = -1;
};

}  // namespace colony
