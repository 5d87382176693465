// How cost grows: with the rows of a transaction, the rows of a table, the
// transactions that wait in the outbox, and the nodes of a colony.
#pragma once

#include "tests/bench/figures.h"
#include "tests/bench/settings.h"

namespace colony::bench {

// Curves. Rates are ratios to plain SQLite in the same rounds; for nodes it is CPU
// time per row, which says the same on a machine that all nodes share.
void measure_growth(const Settings& settings, Figures& figures);

}  // namespace colony::bench
