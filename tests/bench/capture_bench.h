// What capture costs the app.
#pragma once

#include "tests/bench/figures.h"
#include "tests/bench/settings.h"

namespace colony::bench {

// The same changes on three files with the same rows: a plain one; one that
// `colony init` made a node, written with colony.so loaded; one with row-copy
// triggers. No sidecar runs: the outbox is emptied between rounds, outside the
// measured time, as is the triggers' log.
void measure_capture(const Settings& settings, Figures& figures);

}  // namespace colony::bench
