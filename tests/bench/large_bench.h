// One commit of very many rows: how long it takes, and how much memory.
#pragma once

#include "tests/bench/figures.h"
#include "tests/bench/settings.h"

namespace colony::bench {

// An app inserts Settings::large_rows() rows of 500 bytes in one transaction: into a
// plain file, and on node a of four, which is timed until all of them have it; and a
// tenth of it before, to see whether time grows as the rows do. Memory is what an
// app and the sidecars have had at most: their own (looked at again and again), and
// all of it with pages of files (the kernel's own mark), which it can take back.
void measure_large(const Settings& settings, Figures& figures);

}  // namespace colony::bench
