// Signatures that were looked at ahead: an applier does it before it holds the file's
// write lock, since one takes as long as applying a row or two does.
//
// Threads: one.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "replicator/log/log.h"
#include "replicator/log/trust.h"

namespace colony {

class VerifiedEntries {
 public:
  // Looks at the signatures of the first of `messages`, as many as one round may take
  // in, with the keys that `trust` has now. What it knows of others is dropped.
  void look_at(const std::vector<Message>& messages, const Trust& trust, const LogName& log);

  // What was found with that key; nothing if it was not looked at with it.
  std::optional<bool> is_genuine(Sequence message, const PublicKey& key) const;

  void clear() { findings_.clear(); }

 private:
  struct Finding {
    PublicKey key;
    bool genuine;
  };

  std::map<Sequence, Finding> findings_;
};

}  // namespace colony
