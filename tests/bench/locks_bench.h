// How long an app that does not wait for locks is refused at a time, while the
// sidecar applies what others commit.
#pragma once

#include "tests/bench/figures.h"
#include "tests/bench/settings.h"

namespace colony::bench {

// A program beside node a's sidecar tries BEGIN IMMEDIATE with a busy timeout of 0,
// over and over, and gives the lock back at once. What counts is for how long on end
// it meets SQLITE_BUSY: while a catches up with transactions of one row, of 1,000 and
// of 10,000 rows that b has committed meanwhile, while b commits as fast as it can, and
// while a has as much pending of its own, a tenth of it in the same rows.
void measure_locks(const Settings& settings, Figures& figures);

}  // namespace colony::bench
