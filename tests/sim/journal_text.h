// The conflict journal's JSON objects, read back to compare them with the model's:
// which column lost which value, however the numbers are written.
#pragma once

#include <string>
#include <vector>

#include "tests/sim/schema.h"

namespace colony::sim {

// One form for equal objects: of the JSON that production code writes ...
std::string canonical_json(const std::string& json);
// ... and of what the model expects there.
std::string canonical_row(const Table& table, const Row& row);

}  // namespace colony::sim
