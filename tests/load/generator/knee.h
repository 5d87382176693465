// The search for the knee: the highest rate at which a service still answers everybody,
// without errors and in time.
//
// Threads: any, one at a time.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/load/generator/figures.h"

namespace load {

class KneeSearch {
 public:
  explicit KneeSearch(double limit_ms) : limit_ms_(limit_ms) {}

  // What a step has shown at which so many actions a second were meant. `late_errors`
  // are those since the step before that `totals` does not have: actions that were meant
  // earlier. Gives whether the step was over what the service can do, which ends the
  // search.
  bool note(double meant_per_s, const Totals& totals, std::uint64_t late_errors);

  // What was really answered in a second at the last step that was not over; 0: there
  // was none.
  double rate() const { return rate_; }
  // What ended the search, for people.
  std::string end() const { return end_.empty() ? "no step was over the limit" : end_; }
  const nlohmann::json& steps() const { return steps_; }

 private:
  std::string why_over(const Totals& totals, std::uint64_t late_errors, double p99_ms) const;

  const double limit_ms_;
  double rate_ = 0;
  std::string end_;
  nlohmann::json steps_ = nlohmann::json::array();
};

}  // namespace load
