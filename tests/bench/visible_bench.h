// How soon a commit on one node is seen on the others, and what the sidecars use
// of the machine when nothing happens.
#pragma once

#include "tests/bench/figures.h"
#include "tests/bench/loopback_colony.h"
#include "tests/bench/settings.h"

namespace colony::bench {

// By visible_load.h.
void measure_visible(const Settings& settings, LoopbackColony& colony, Figures& figures);

// Of sidecars that have done the above and have nothing to do.
void measure_idle(const Settings& settings, LoopbackColony& colony, Figures& figures);

}  // namespace colony::bench
