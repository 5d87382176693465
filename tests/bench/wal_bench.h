// What capture from the write-ahead log costs, beside capture in the program.
#pragma once

#include "tests/bench/figures.h"
#include "tests/bench/settings.h"

namespace colony::bench {

// The same changes, as fast as they go, on a plain file, on one with row-copy triggers, and
// on the only node of a colony in session mode and of one in wal mode. The sidecars run, and
// must have sent everything before the next variant has its turn. Then how soon
// commits are visible in either mode, in turns, and what measure_idle() measures, in wal mode.
void measure_wal(const Settings& settings, Figures& figures);

}  // namespace colony::bench
