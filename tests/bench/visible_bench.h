// How soon a commit on one node is seen on the others, and what the sidecars use
// of the machine when nothing happens.
#pragma once

#include "tests/bench/figures.h"
#include "tests/bench/loopback_colony.h"
#include "tests/bench/settings.h"

namespace colony::bench {

// Writers commit one row at a time, in step with the clock and not with the
// answers (an open loop). On each other node a reader, woken by inotify on the
// write-ahead log, looks for new rows. The time of a commit is from when COMMIT
// returned in the writer to when the last of the three readers had the row in its
// hands: the readers' own waking up and query are in it.
void measure_visible(const Settings& settings, LoopbackColony& colony, Figures& figures);

// Of sidecars that have done the above and have nothing to do.
void measure_idle(const Settings& settings, LoopbackColony& colony, Figures& figures);

}  // namespace colony::bench
