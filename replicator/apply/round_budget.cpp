#include "replicator/apply/round_budget.h"

#include <algorithm>

namespace colony {
namespace {

using Milliseconds = std::chrono::duration<double, std::milli>;

// So much may be undone for what is applied before rounds grow.
constexpr double kUndonePerApplied = 4;
// What is undone is done again.
constexpr double kUndoAndRedo = 2;
// Where much is undone at once, as much is applied: the round is long anyway.
constexpr double kWorthOfUndone = kUndoAndRedo + 1;
constexpr double kWorkPerMsMin = 2, kWorkPerMsMax = 5000;
constexpr double kWorthLearningFrom = 50;  // of less the fixed costs are most

}  // namespace

bool RoundBudget::has_room(Duration time, std::size_t entries, double applied, double undone) const {
  if (entries == 0) return true;
  const double room = std::max({Milliseconds(time).count() * work_per_ms_, owed_, kWorthOfUndone * undone});
  const double used = applied + kUndoAndRedo * undone;
  return used + used / static_cast<double>(entries) <= room;  // the next is taken to be like these
}

void RoundBudget::round_done(Duration took, double applied, double undone) {
  owed_ = std::max(0.0, owed_ + undone - kUndonePerApplied * applied);
  const double work = applied + kUndoAndRedo * undone;
  if (work < kWorthLearningFrom) return;
  const double seen = work / std::max(Milliseconds(took).count(), 0.001);
  work_per_ms_ = std::clamp(work_per_ms_ + (seen - work_per_ms_) / 4, kWorkPerMsMin, kWorkPerMsMax);
}

}  // namespace colony
