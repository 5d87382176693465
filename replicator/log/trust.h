// Whom a colony trusts: the members' public keys, as its log has told them.
//
// Version 0 is a colony that has never said so; everything counts there. From
// version 1 on only what is signed by its origin's own key counts.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "replicator/log/entry.h"

namespace colony {

struct Trust {
  std::uint64_t version = 0;              // of the latest trust entry that counted
  std::map<std::string, PublicKey> keys;  // by node

  bool operator==(const Trust&) const = default;

  bool is_in_force() const { return version > 0; }

  // Whether the entry is signed by the key that its origin has here, for that log.
  bool vouches_for(const Envelope& envelope, const LogName& log) const;

  // Whether an entry may count at all.
  bool admits(const Envelope& envelope, const LogName& log) const {
    return !is_in_force() || vouches_for(envelope, log);
  }
};

}  // namespace colony
