// The keys of simulated nodes, the same in every run. A file's key stays with it
// through all its lives: node a, and a3 after it has left and come back.
#pragma once

#include <memory>
#include <string>

#include "replicator/log/entry.h"

namespace colony::sim {

inline const LogName kSimulatedLog{"sim", "epoch-1"};

// Of the file whose first name was that letter.
std::shared_ptr<const SigningKey> key_of(char letter);

// A trust entry that has all lives of all nodes but those of `left_out`.
TrustEntry trust_of_all(std::uint64_t version, char left_out = '\0');

}  // namespace colony::sim
