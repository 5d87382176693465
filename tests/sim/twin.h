// The app must not notice: the same SQL runs on a node and on a plain database
// with the same tables, and an app must see the same of both.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tests/sim/transcript.h"

namespace colony::sim {

// A random schema and random transactions, compared after each statement. Nothing
// if the twins agree, else what differs.
std::optional<std::string> compare_with_plain_sqlite(std::uint64_t seed, Transcript& transcript);

}  // namespace colony::sim
