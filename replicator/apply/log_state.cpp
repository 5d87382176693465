#include "replicator/apply/log_state.h"

namespace colony {

void LogStateChanges::apply_to(LogState& state) const {
  for (const auto& [node, origin] : origins) {
    if (origin) {
      state.origins[node] = *origin;
    } else {
      state.origins.erase(node);
    }
  }
  for (const auto& [node, is_unfinished] : unfinished) {
    if (is_unfinished) {
      state.unfinished.insert(node);
    } else {
      state.unfinished.erase(node);
    }
  }
  state.departed.insert(departed.begin(), departed.end());
  if (trust) state.trust = *trust;
}

}  // namespace colony
