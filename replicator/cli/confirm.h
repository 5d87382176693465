// Says what a command would do to programs that have the database open, and has it
// confirmed by --yes or by a person.
#pragma once

#include <string>
#include <vector>

#include "replicator/store/file_users.h"

namespace colony::cli {

// Thrown when a person has said no.
struct Declined {};

class Confirmation {
 public:
  // Looks at once who has the database open, so before this process has. `yes`: it is
  // confirmed already.
  Confirmation(const std::string& database, bool yes);

  // These tables can be written by any program as yet, and soon only with colony.so. Says
  // on stderr whom that concerns, and returns if nobody or if it is confirmed. Throws
  // Declined; Error where nobody can be asked.
  void ask(const std::vector<std::string>& tables) const;

 private:
  std::string whom_it_concerns(const std::vector<std::string>& tables) const;
  std::string who_is_hidden() const;

  std::string name_;
  bool yes_;
  std::vector<FileUser> writers_;
  std::size_t hidden_ = 0;
};

}  // namespace colony::cli
