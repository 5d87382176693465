// What a simulated run is made of. Leaving something out changes nothing else: that is
// how a failing run is made shorter.
#pragma once

#include <cstdint>
#include <set>

namespace colony::sim {

// How what apps commit is captured: on all nodes within the commit, on all from the write-ahead
// log, or on each as the seed says.
enum class CaptureChoice { kSession, kWal, kMixed };

struct Plan {
  std::uint64_t seed = 0;
  std::size_t steps = 0;           // 0: as many as the seed says
  std::set<std::size_t> left_out;  // of the steps
  bool faults = true;
  bool odd_values = true;
  bool large_transactions = true;
  bool snapshots = true;
  CaptureChoice capture = CaptureChoice::kSession;
};

}  // namespace colony::sim
