// Makes a failing run as short as it easily gets: leaves out steps, and faults and
// odd values altogether, as long as it goes on failing.
#pragma once

#include <string>
#include <vector>

#include "tests/sim/simulation.h"

namespace colony::sim {

struct Shrunk {
  Plan plan;
  std::size_t steps = 0;
  std::size_t steps_left = 0;
  std::string failure;
  std::vector<std::string> transcript;
};

Shrunk shrink(const Plan& failing);

}  // namespace colony::sim
