// Whether the log is the one that the file remembers, and still has what the file has
// not absorbed.
//
// Threads: the applier's. Errors: Halt and its kinds below; LogUnavailable.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "replicator/apply/applier_observer.h"
#include "replicator/apply/folded_file.h"
#include "replicator/log/log.h"

namespace colony {

// The log no longer has what this file has not absorbed: a snapshot must help.
class LogCut : public Halt {
 public:
  using Halt::Halt;
};

// The log is not the one that this file has met: a snapshot of it that has all that
// the file has absorbed may help.
class LogReplaced : public Halt {
 public:
  LogReplaced(const std::string& why, std::string former_epoch) : Halt(why), former_epoch_(std::move(former_epoch)) {}
  const std::string& former_epoch() const { return former_epoch_; }

 private:
  std::string former_epoch_;
};

// Others have begun the colony, and this file has not met them yet: whether its rows are
// those on which the log was begun must be found out first (initial_comparison.h).
class BaseUnknown : public Halt {
 public:
  using Halt::Halt;
};

class LogValidation {
 public:
  // All must outlive it.
  LogValidation(FoldedFile& file, Log& log, ApplierObserver& observer) : file_(file), log_(log), observer_(observer) {}

  // At the start and over a new connection: compares all that can be compared. A file
  // that has met no log takes this one for its own. Returns what the log says of itself.
  LogInfo meet();

  // Whose log is it, and may anybody go on with it?
  void check(const LogInfo& info) const;
  // Does the log still have what comes after the file's position?
  void check_not_cut(const LogInfo& info) const;
  // Is this the message that comes after it?
  void check_next(const Message& message) const;
  // For a file that has met nobody: is it the one with which the colony begins? `messages`
  // are the next ones.
  void check_begins_colony(const std::vector<Message>& messages) const;

 private:
  void check_past(const LogInfo& info) const;

  FoldedFile& file_;
  Log& log_;
  ApplierObserver& observer_;
};

}  // namespace colony
