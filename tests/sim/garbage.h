// What a log may hold besides its entries: noise, damaged copies, repetitions,
// entries under somebody else's name or of a former life.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "replicator/log/log.h"
#include "tests/sim/random.h"

namespace colony::sim {

// Made of what the log has; nothing if it has nothing yet. `names` are the
// subjects that it may come under.
std::optional<Message> random_garbage(const std::vector<Message>& messages, const std::vector<std::string>& names,
                                      Random& random);

}  // namespace colony::sim
