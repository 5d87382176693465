// How fast a node absorbs what others have committed.
#pragma once

#include "tests/bench/figures.h"
#include "tests/bench/settings.h"

namespace colony::bench {

// Node a's app makes changes, its capture and its publisher put them into a log in
// memory, and the applier of node b absorbs them into its file; against that,
// plain SQLite executes the same row changes as prepared statements, in
// transactions of the same size. Both files are in WAL mode, synchronous=NORMAL.
// The applier may put many transactions of the log into one of SQLite.
void measure_apply(const Settings& settings, Figures& figures);

}  // namespace colony::bench
