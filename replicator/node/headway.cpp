#include "replicator/node/headway.h"

#include <utility>

namespace colony {

using Clock = std::chrono::steady_clock;

void Headway::set_behind(bool behind) {
  if (std::exchange(behind_, behind) == behind) return;
  status_.set_behind(behind ? std::optional(Clock::now()) : std::nullopt);
}

void Headway::begin_catching_up(Sequence position) {
  if (status_.view().state == State::kCatchingUp) return;
  catching_up_from_ = position;
  pace_.reset();
  pace_.note(Clock::now(), position.value());
  status_.set_state(State::kCatchingUp);
  status_.set_catching_up({catching_up_from_, 0});
}

void Headway::absorbed(Sequence position, std::size_t own, bool outbox_is_empty) {
  const Clock::time_point now = Clock::now();
  pace_.note(now, position.value());
  status_.set_catching_up({catching_up_from_, pace_.per_s()});
  if (outbox_is_empty) {
    own_absorbed_ = 0;
    own_pace_.reset();
  } else {
    own_absorbed_ += own;
    own_pace_.note(now, own_absorbed_);
  }
  status_.set_sending({own_absorbed_, own_pace_.per_s()});
}

}  // namespace colony
