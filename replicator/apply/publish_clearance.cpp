#include "replicator/apply/publish_clearance.h"

#include <utility>

#include "replicator/apply/signing_trouble.h"

namespace colony {

PublishClearance::PublishClearance(FoldedFile& file, Log& log, LogValidation& validation, ApplierObserver& observer,
                                   Settings settings)
    : file_(file),
      log_(log),
      validation_(validation),
      observer_(observer),
      settings_(std::move(settings)),
      own_name_(file, settings_.home) {}

void PublishClearance::file_loaded() {
  question_.reset();
  is_running_ = false;
  observer_.file_loaded(file_.log_state);
  check_key();
}

void PublishClearance::check_key() {
  key_trouble_ = signing_trouble(file_.records.identity(), file_.log_state.trust, settings_.key);
}

void PublishClearance::log_met(const LogInfo& info) {
  is_alone_ = false;
  if (const std::string trouble = own_name_.trouble(); !trouble.empty()) throw Halt(trouble);
  observer_.log_met(info, own_entries());
}

void PublishClearance::answer(bool all_absorbed) {
  const std::optional<std::uint64_t> open = observer_.open_question();
  if (!open) return;
  const Sequence position = file_.log_state.position;
  if (question_ != open) {
    const LogInfo info = log_.info();
    // What was fetched before the cut can still be absorbed.
    if (all_absorbed) validation_.check_not_cut(info);
    end_ = info.last;
    question_ = open;
    if (position < end_) {
      is_running_ = false;
      observer_.state_changed(State::kCatchingUp, "", position);
    }
  }
  if (position < end_) return;
  // It goes on reading: that it is trusted after all comes by the log.
  if (!key_trouble_.empty()) {
    is_running_ = false;
    return observer_.state_changed(State::kHalted, key_trouble_, position);
  }
  tell_running();
  observer_.question_answered(*open);
}

bool PublishClearance::is_base_unknown() const {
  return settings_.asks_for_base && !trusts_own_base_ && !file_.log_state.has_met_colony();
}

// Who has met nobody may still find that others were quicker to begin the colony.
void PublishClearance::tell_running() {
  is_alone_ = is_base_unknown();
  if (is_alone_) return;
  is_running_ = true;
  observer_.state_changed(State::kRunning, "", file_.log_state.position);
}

void PublishClearance::absorbed(Absorbed absorbed) {
  if (absorbed.trust_changed) check_key();
  const bool key_is_lost = absorbed.trust_changed && !key_trouble_.empty();
  const std::string trouble = own_name_.trouble();
  AbsorbedRound round;
  round.position = file_.log_state.position;
  round.outbox_is_empty = file_.pending.empty();
  round.must_ask_again = key_is_lost || absorbed.own_out_of_turn;
  if (trouble.empty()) {
    if (is_alone_) tell_running();
    round.own = own_entries();
  }
  if (!trouble.empty()) absorbed.barrier.reset();
  if (!trouble.empty() || !is_running_) absorbed.question.reset();
  round.absorbed = std::move(absorbed);
  observer_.absorbed(round);
  if (!trouble.empty()) throw Halt(trouble);
}

}  // namespace colony
