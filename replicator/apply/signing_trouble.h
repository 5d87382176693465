// Whether what a node sends will count.
#pragma once

#include <optional>
#include <string>

#include "replicator/log/trust.h"
#include "replicator/store/node_file.h"

namespace colony {

// Why all nodes would ignore what `self` signs with that key, or sends unsigned, and
// what to do; empty if they will not.
std::string signing_trouble(const Identity& self, const Trust& trust, const std::optional<PublicKey>& key);

}  // namespace colony
