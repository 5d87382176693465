#include "replicator/status/replication_lag.h"

namespace colony {

using Clock = std::chrono::steady_clock;

void ReplicationLag::begin_catching_up(Sequence position) {
  if (status_.view().state == State::kCatchingUp) return;
  catching_up_from_ = position;
  rate_.reset();
  rate_.note(Clock::now(), position.value());
  status_.set_state(State::kCatchingUp);
  status_.set_catching_up({catching_up_from_, 0});
}

void ReplicationLag::absorbed(Sequence position, std::size_t own, bool outbox_is_empty) {
  const Clock::time_point now = Clock::now();
  rate_.note(now, position.value());
  status_.set_catching_up({catching_up_from_, rate_.per_s()});
  if (outbox_is_empty) {
    own_absorbed_ = 0;
    own_rate_.reset();
  } else {
    own_absorbed_ += own;
    own_rate_.note(now, own_absorbed_);
  }
  status_.set_sending({own_absorbed_, own_rate_.per_s()});
}

}  // namespace colony
