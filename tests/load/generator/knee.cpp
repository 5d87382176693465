#include "tests/load/generator/knee.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "tests/load/generator/report.h"

namespace load {

// Fast errors are no answers: they come first.
std::string KneeSearch::why_over(const Totals& totals, std::uint64_t late_errors, double p99_ms) const {
  if (totals.error_count() > 0) {
    return fmt::format("{} errors, such as: {}", totals.error_count() + late_errors, totals.errors.begin()->first);
  }
  if (late_errors > 0) return fmt::format("{} errors of actions that were meant before it", late_errors);
  if (totals.answers() == 0) return "no answer at all";
  return p99_ms > limit_ms_ ? fmt::format("a p99 of {:.1f} ms", p99_ms) : std::string();
}

bool KneeSearch::note(double meant_per_s, const Totals& totals, std::uint64_t late_errors) {
  const double p99_ms = std::max(totals.reads.at_ms(0.99), totals.writes.at_ms(0.99));
  const std::string why = why_over(totals, late_errors, p99_ms);
  nlohmann::json step = json_of(totals);
  step["rate"] = meant_per_s;
  step["p99_ms"] = p99_ms;
  step["late_errors"] = late_errors;
  step["over"] = !why.empty();
  steps_.push_back(std::move(step));
  if (why.empty()) {
    rate_ = static_cast<double>(totals.answers()) / (totals.seconds > 0 ? totals.seconds : 1);
    return false;
  }
  end_ = fmt::format("{} at {:.0f}/s{}", why, meant_per_s, steps_.size() == 1 ? ", the first step" : "");
  return true;
}

}  // namespace load
