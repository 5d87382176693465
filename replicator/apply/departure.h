// What a node is told that is no member of its colony any more.
#pragma once

#include <string>

#include "replicator/store/node_file.h"

namespace colony {

// One line: that it has left or was removed, by whom, and what to do.
std::string departure_message(const Identity& self, const Departure& departure);

}  // namespace colony
