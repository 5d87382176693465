// Entries that nobody who was entitled to has written: whole, and the next in turn of
// a member, but not signed by that member for this log.
#pragma once

#include <optional>

#include "replicator/log/log.h"
#include "tests/sim/random.h"

namespace colony::sim {

// After one of the log's; nothing if it has none that would do.
std::optional<Message> random_forgery(const std::vector<Message>& messages, Random& random);

}  // namespace colony::sim
