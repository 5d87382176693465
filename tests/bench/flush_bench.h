// What it costs to flush the write-ahead log before something is sent.
#pragma once

#include "tests/bench/figures.h"
#include "tests/bench/settings.h"

namespace colony::bench {

// How soon a commit is seen, and how many can be shipped a second, with `colony run
// --flush before-send` and `never`, by turns, beside programs that flush each commit
// themselves (synchronous=FULL) and such that do not (NORMAL).
void measure_flush(const Settings& settings, Figures& figures);

}  // namespace colony::bench
