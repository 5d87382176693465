// What a run is asked to do.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/load/generator/http_target.h"
#include "tests/load/generator/workload.h"

namespace load {

// From `rate` upwards, a step after the other, until the p99 of a step exceeds the limit.
struct Knee {
  double factor = 1.25;
  double step_s = 10;
  double limit_ms = 250;
  unsigned steps_max = 30;
};

struct Settings {
  std::vector<HttpNode> nodes;                                 // metad, or ...
  std::vector<std::string> direct;                             // ... files, which worker processes open
  std::string extension;                                       // for `direct`
  std::vector<std::string> files;                              // of the nodes, to see what is visible
  std::vector<std::pair<std::string, std::string>> processes;  // name, pid file

  std::uint32_t users = 1000;
  double think_s = 10;
  bool open_loop = true;
  double ramp_s = 5, warm_up_s = 2, seconds = 30;
  double session_actions = 0;  // on average; 0: one session for the whole run
  Mix mix;
  double skew = 0.9;
  Dataset dataset;
  double probes_per_s = 10;  // of each node
  double timeout_s = 10;
  double settle_s = 60;
  bool may_lose_node = false;
  bool find_knee = false;
  Knee knee;
  std::uint64_t seed = 1;
  std::string report;
  std::string measuring_file;  // made when the measured part begins
};

}  // namespace load
