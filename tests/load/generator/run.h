// One run from its ramp to its verdict.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "tests/load/generator/direct_worker.h"
#include "tests/load/generator/relay.h"
#include "tests/load/generator/settings.h"

namespace load {

// The report; its member "ok" tells whether there were no errors, and nothing was
// lost. SIGINT and SIGTERM end it early, with what is known by then ("interrupted").
// Throws std::exception if it cannot be done at all.
nlohmann::json run(const Settings& settings, const std::vector<WorkerProcess>& workers,
                   const std::vector<WorkerProcess>& relays);

}  // namespace load
