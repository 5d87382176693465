// A node that was cut off for long: how long it catches up, and whether its app
// notices.
#pragma once

#include "tests/bench/figures.h"
#include "tests/bench/settings.h"

namespace colony::bench {

// While node a's sidecar is stopped, its app writes that many rows, and node b's
// app as many: nine of ten are new, the tenth is one that both nodes change. Then
// the sidecar starts, and the app goes on to write a row every 5 ms, with SQLite's
// own busy timeout. Once with a tenth of the rows, to see that the time is in
// proportion to them.
void measure_offline(const Settings& settings, Figures& figures);

}  // namespace colony::bench
