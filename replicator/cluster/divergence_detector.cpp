#include "replicator/cluster/divergence_detector.h"

#include <algorithm>

#include "replicator/log/error.h"

namespace colony {
namespace {

// 1 MiB. At 10,000 messages a second it reaches back further than a heartbeat is old.
constexpr std::size_t kPlacesMax = 65'536;

}  // namespace

void DivergenceDetector::begin(Sequence position, std::optional<std::uint64_t> chain) {
  const std::lock_guard lock(mutex_);
  if (chain && !places_.empty() && places_.back().position == position && places_.back().chain == *chain) return;
  places_.clear();
  opinions_.clear();
  verdict_.clear();
  if (chain) places_.push_back({position, *chain});
}

void DivergenceDetector::absorbed(const ChainedPosition& place) {
  const std::lock_guard lock(mutex_);
  if (places_.empty()) return;
  places_.push_back(place);
  if (places_.size() > kPlacesMax) places_.pop_front();
}

void DivergenceDetector::hear(const std::string& node, const ChainedPosition& place) {
  const std::lock_guard lock(mutex_);
  const auto own = std::lower_bound(places_.begin(), places_.end(), place.position,
                                    [](const ChainedPosition& a, Sequence position) { return a.position < position; });
  if (own == places_.end() || own->position != place.position) return;
  opinions_[node] = {own->chain == place.chain, place.position};
  judge();
}

void DivergenceDetector::forget(const std::string& node) {
  const std::lock_guard lock(mutex_);
  opinions_.erase(node);
}

// A verdict stays: what was read cannot become right by others' leaving.
void DivergenceDetector::judge() {
  std::size_t agree = 1;  // with itself
  std::string others;
  Sequence position;
  std::size_t disagree = 0;
  for (const auto& [node, opinion] : opinions_) {
    if (opinion.agrees) {
      ++agree;
      continue;
    }
    ++disagree;
    others += (others.empty() ? "" : ", ") + node;
    position = opinion.position;
  }
  if (disagree < agree) return;
  verdict_ =
      "this node has read another log than " + others + " up to position " + std::to_string(position.value()) +
      ": the broker has lost and written anew a part of it, or its servers do not agree. Nothing more is sent or "
      "applied; see The servers disagree in docs/operations.md";
}

void DivergenceDetector::check() const {
  const std::lock_guard lock(mutex_);
  if (!verdict_.empty()) throw Halt(verdict_);
}

}  // namespace colony
