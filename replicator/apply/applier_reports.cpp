#include "replicator/apply/applier_reports.h"

#include <utility>

namespace colony {

ApplierReports::ApplierReports(PublishPermit& permit, Status& status, Listeners listeners)
    : permit_(permit), status_(status), listeners_(std::move(listeners)), lag_(status) {}

void ApplierReports::check_may_go_on() const {
  if (listeners_.divergence != nullptr) listeners_.divergence->check();
}

std::optional<std::uint64_t> ApplierReports::open_question() const { return permit_.open_question(); }
void ApplierReports::question_answered(std::uint64_t question) { permit_.grant(question); }

void ApplierReports::progressed(const LoopMark& mark) {
  if (listeners_.loop_progress != nullptr) listeners_.loop_progress->mark(mark);
}

void ApplierReports::delayed(Delay by, Since since) {
  switch (by) {
    case Delay::kWriteLock:
      return status_.set_lock_wait(since);
    case Delay::kCheckpoint:
      return status_.set_checkpoint_blocked(since);
    case Delay::kBehind:
      return status_.set_behind(since);
  }
}

void ApplierReports::state_changed(State state, const std::string& why, Sequence position) {
  if (state == State::kCatchingUp) return lag_.begin_catching_up(position);
  status_.set_state(state, why);
}

void ApplierReports::file_loaded(const LogState& state) {
  if (listeners_.divergence != nullptr) listeners_.divergence->begin(state.position, state.chain);
}

void ApplierReports::log_seen(const LogSight& sight) {
  status_.set_log_head(sight.end);
  if (sight.held_by) status_.set_held_by(*sight.held_by);
}

void ApplierReports::log_met(const LogInfo& info, const OwnEntries& own) {
  permit_.need_resync();
  permit_.set_entry_bytes_max(info.entry_bytes_max);
  permit_.accepted(own.accepted, own.introduced);
}

void ApplierReports::absorbed(const AbsorbedRound& round) {
  const Absorbed& absorbed = round.absorbed;
  if (listeners_.divergence != nullptr) {
    for (const ChainedPosition& place : absorbed.places) listeners_.divergence->absorbed(place);
  }
  for (std::size_t i = 0; i < absorbed.not_entries; ++i) status_.count_ignored();
  for (std::size_t i = 0; i < absorbed.untrusted; ++i) status_.count_untrusted();
  if (round.must_ask_again) permit_.need_resync();
  if (round.own) permit_.accepted(round.own->accepted, round.own->introduced);
  lag_.absorbed(round.position, absorbed.own, round.outbox_is_empty);
  if (absorbed.barrier && listeners_.on_barrier) {
    listeners_.on_barrier(absorbed.barrier->first, absorbed.barrier->second);
  }
  if (absorbed.question && listeners_.on_question) {
    listeners_.on_question(absorbed.question->first, absorbed.question->second);
  }
}

}  // namespace colony
