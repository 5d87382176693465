// What capture costs the app.
#pragma once

#include "tests/bench/figures.h"
#include "tests/bench/settings.h"

namespace colony::bench {

// The same changes on three files with the same rows: a plain one; one that
// `colony init` made a node, written with colony.so loaded; two with triggers (see
// change_triggers.h); and one whose app writes its changes into an outbox by
// itself, which shows what the one more row and page of a commit cost alone. No
// sidecar runs: outboxes and logs are emptied between rounds, outside the measured
// time.
void measure_capture(const Settings& settings, Figures& figures);

}  // namespace colony::bench
