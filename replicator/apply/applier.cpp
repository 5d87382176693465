#include "replicator/apply/applier.h"

#include <algorithm>
#include <utility>

#include "replicator/apply/signing_trouble.h"
#include "replicator/store/schema_agreement.h"
#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

// The file is no longer what it was when it was left: what is cached of it is void.
struct PutBack {};

// The app has committed so much just before the lock was taken that it should not
// be read under it.
struct MuchToIndex {};

// Likewise, the schema.
struct SchemaChanged {};

constexpr int kIndexTriesMax = 8;

}  // namespace

Applier::Applier(const std::string& path, Log& log, PublishPermit& permit, Status& status, Options options)
    : file_(path, options.spill),
      log_(log),
      permit_(permit),
      status_(status),
      options_(std::move(options)),
      loop_progress_(options_.loop_progress != nullptr ? *options_.loop_progress : own_loop_progress_),
      wal_(file_.db, status_),
      turns_(file_.db, wal_, status_, loop_progress_, options_.go_on_waiting),
      goes_on_(file_.db, [this] { loop_progress_.advance(); }),
      log_validation_(file_, log_, status_),
      own_name_(file_, options_.home),
      lag_(status_) {}

Applier::Clock::duration Applier::rest() const {
  constexpr Clock::duration kLookAtWalEvery = std::chrono::milliseconds(5);
  const Clock::duration rest = turns_.rest();
  return wal_.is_holding_back() ? std::max(rest, kLookAtWalEvery) : rest;
}

bool Applier::step(std::chrono::milliseconds wait) {
  const EndOfWait end_of_wait{turns_};
  try {
    if (keep_wal_short()) return true;
    if (loaded_ && messages_.empty() && file_.has_another_schema()) load_schema();
    if (!loaded_) {
      loop_progress_.begin("reading the file");
      load();
    }
    if (!met_log_) {
      loop_progress_.begin("asking for the state of the log");
      meet_log();
    }
    // After the log was met: who halts for it must still hear that the log is being recovered.
    if (options_.divergence != nullptr) options_.divergence->check();
    answer_question();
    tell_wait_for_entries();
    if (!fetch(wait)) return false;
    loop_progress_.begin("applying what others have committed");
    COLONY_STEP("applier.fetched");
    log_validation_.check_next(messages_.front());
    if (options_.asks_for_base && !trusts_own_base_ && !file_.log_state.has_met_colony()) {
      log_validation_.check_begins_colony(messages_);
    }
    lag_.set_behind(is_behind());
    absorb();
    lag_.set_behind(is_behind());
    // After an absence there is no hurry: programs come first then.
    turns_.set_late(lag_.is_late() && status_.view().state == State::kRunning);
    if (loaded_) answer_question();
    return true;
  } catch (...) {
    distrust_and_rethrow();
  }
}

void Applier::look_again() {
  if (!met_log_) return;  // the next step looks anyway
  try {
    log_validation_.check(log_.info());
  } catch (...) {
    distrust_and_rethrow();
  }
}

void Applier::install(const std::string& snapshot_file, OwnRows own_rows) {
  const EndOfWait end_of_wait{turns_};
  load();
  loaded_ = false;  // whatever comes of it
  SnapshotInstall(file_, turns_, snapshot_file, own_rows, [this] { return options_.go_on_waiting(0); }).run();
  file_.forget_outbox();
}

bool Applier::is_worth_another_try() {
  try {
    if (schema_is_broken_) return find_schema_changes(file_.db).broken.empty();
    if (file_.has_another_schema()) return true;
    if (!stopped_at_) return false;
    const std::optional<Message> entry = log_.read(stopped_at_->position);
    return !entry || message_hash(entry->data) != stopped_at_->chain;
  } catch (const Error&) {
    return true;  // the try tells what is wrong
  }
}

// After an error, what it may have made untrue is read anew.
void Applier::distrust_and_rethrow() {
  try {
    throw;
  } catch (const LogUnavailable&) {
    met_log_ = false;
    messages_.clear();
    verified_.clear();
    throw;
  } catch (...) {
    loaded_ = false;
    throw;
  }
}

// True if nothing should be written just now.
bool Applier::keep_wal_short() {
  wal_.look(Clock::now());
  if (!wal_.is_holding_back()) return false;
  loop_progress_.begin("emptying the write-ahead log");
  wal_.hold_back(Clock::now());
  return true;
}

void Applier::load() {
  loaded_ = met_log_ = false;
  messages_.clear();
  verified_.clear();
  missed_ = {};
  question_.reset();
  file_.load();
  settle_schema();
  if (options_.divergence != nullptr) options_.divergence->begin(file_.log_state.position, file_.log_state.chain);
  signing_trouble_ = signing_trouble(file_.records.identity(), file_.log_state.trust, options_.key);
  loaded_ = true;
}

void Applier::load_schema() {
  file_.load_schema();
  settle_schema();
}

// Tables that have only got more columns are agreed on as they are now. Halts for all else:
// nothing may be folded into other tables, and what was written to them must not be sent.
void Applier::settle_schema() {
  schema_is_broken_ = false;
  if (find_schema_changes(file_.db).empty()) return;
  {
    WriteTransaction transaction(file_.db);
    const WriteTurns::Turn turn(turns_);
    const SchemaFindings findings = find_schema_changes(file_.db);
    schema_is_broken_ = !findings.broken.empty();
    if (schema_is_broken_) throw Halt(advice_on(findings.broken));
    agree_on_extensions(file_.db, findings.extended);
    transaction.commit();
  }
  file_.load_schema();
}

void Applier::meet_log() {
  permit_.set_entry_bytes_max(log_validation_.meet().entry_bytes_max);
  met_log_ = true;
  is_alone_ = false;
  COLONY_STEP("applier.met_log");
  tell_accepted();
  // What was sent over the connection before this one may be lost.
  permit_.need_resync();
}

// The publisher may send once this file has absorbed an end of the log that was
// looked up after it asked.
void Applier::answer_question() {
  const std::optional<std::uint64_t> open = permit_.open_question();
  if (!open) return;
  if (question_ != open) {
    const LogInfo info = log_.info();
    // What was fetched before the cut can still be absorbed.
    if (messages_.empty()) log_validation_.check_not_cut(info);
    head_ = info.last;
    question_ = open;
    if (file_.log_state.position < head_) lag_.begin_catching_up(file_.log_state.position);
  }
  if (file_.log_state.position < head_) return;
  // It goes on reading: that it is trusted after all comes by the log.
  if (!signing_trouble_.empty()) return status_.set_state(State::kHalted, signing_trouble_);
  tell_running();
  permit_.grant(*open);
}

// Who has met nobody may still find that others were quicker to begin the colony.
void Applier::tell_running() {
  is_alone_ = options_.asks_for_base && !trusts_own_base_ && !file_.log_state.has_met_colony();
  if (!is_alone_) status_.set_state(State::kRunning);
}

// False if there is nothing to absorb.
bool Applier::fetch(std::chrono::milliseconds wait) {
  if (messages_.empty()) messages_ = log_.fetch(file_.log_state.position.next(), options_.fetch, wait);
  status_.set_log_head(log_.last_known());
  if (!messages_.empty()) return true;
  // Nothing comes, and there is something: it may be gone for good.
  if (file_.log_state.position < log_.last_known()) log_validation_.check_not_cut(log_.info());
  return false;
}

bool Applier::is_behind() const { return file_.log_state.position < std::max(log_.last_known(), head_); }

// Nothing to do, or something that the broker says it has and does not give.
void Applier::tell_wait_for_entries() {
  if (!messages_.empty()) return;
  if (is_behind()) {
    loop_progress_.go_on_with("waiting for entries that the log has");
  } else {
    loop_progress_.rest();
  }
}

// Absorbs what one transaction has time for.
void Applier::absorb() {
  std::size_t messages_max = std::min(messages_.size(), missed_.messages_max());
  int index_tries = kIndexTriesMax;
  stopped_at_.reset();
  verified_.look_at(messages_, file_.log_state.trust, {file_.records.identity().cluster, file_.log_state.epoch});
  for (;;) {
    try {
      file_.index_outbox();
      COLONY_STEP("applier.outbox_read");
      const Absorbed absorbed = absorb_once(messages_max, index_tries > 0);
      missed_ = {};
      wal_.checkpoint(Clock::now());
      COLONY_STEP("applier.checkpointed");
      tell(absorbed);
      COLONY_STEP("applier.told");
      return;
    } catch (const PutBack&) {
      loaded_ = false;
      return;
    } catch (const MuchToIndex&) {
      --index_tries;
    } catch (const SchemaChanged&) {
      return load_schema();  // and let the app come in between
    } catch (const MissedTransactions::Found& found) {
      // The next step makes up for it, so that the app can come in between.
      missed_.add(found);
      return;
    } catch (const StoppedAt& stopped) {
      // What came before it must not wait for its cause to be mended.
      if (stopped.message == 0) {
        stopped_at_ = {messages_.front().sequence, message_hash(messages_.front().data)};
        throw Halt(stopped.why);
      }
      messages_max = stopped.message;
    }
  }
}

Absorbed Applier::absorb_once(std::size_t messages_max, bool may_index_more) {
  WriteTransaction transaction(file_.db);
  const WriteTurns::Turn turn(turns_);
  const Clock::time_point begin = Clock::now();
  COLONY_STEP("applier.locked");
  if (file_.was_put_back()) throw PutBack();
  if (file_.has_another_schema()) throw SchemaChanged();
  if (!file_.index_rest_of_outbox()) {
    if (may_index_more) throw MuchToIndex();
    file_.index_outbox();
  }
  RoundPlan plan(file_, verified_, missed_);
  plan.take_in(messages_, messages_max, budget_, round_time());
  COLONY_STEP("applier.planned");
  Rebase rebase = file_.rebase();
  rebase.undo(plan.overlapping().transactions());
  COLONY_STEP("applier.undone");
  Absorption absorption(file_, plan, rebase);
  absorption.apply(std::max(round_time(), Clock::now() - begin));
  COLONY_STEP("applier.applied");
  rebase.redo_rest();
  COLONY_STEP("applier.redone");
  if (!rebase.missed().empty()) throw MissedTransactions::Found{rebase.missed(), absorption.messages()};
  if (rebase.journalled()) file_.journal.trim(file_.records.conflicts_max());
  absorption.write_progress();
  COLONY_STEP("applier.progress_written");
  transaction.commit();
  COLONY_STEP("applier.committed");
  rebase.committed();
  const Absorbed absorbed = absorption.committed();
  budget_.round_done(Clock::now() - begin, static_cast<double>(absorbed.work),
                     static_cast<double>(plan.overlapping().work()));
  return absorbed;
}

Applier::Clock::duration Applier::round_time() const {
  return turns_.app_writes() ? options_.transaction_beside_app_ms : options_.transaction_ms;
}

// What was committed, to whom it matters.
void Applier::tell(const Absorbed& absorbed) {
  if (options_.divergence != nullptr) {
    for (const ChainedPosition& place : absorbed.places) options_.divergence->absorbed(place);
  }
  messages_.erase(messages_.begin(), messages_.begin() + static_cast<std::ptrdiff_t>(absorbed.messages));
  for (std::size_t i = 0; i < absorbed.not_entries; ++i) status_.count_ignored();
  for (std::size_t i = 0; i < absorbed.untrusted; ++i) status_.count_untrusted();
  if (absorbed.trust_changed) {
    signing_trouble_ = signing_trouble(file_.records.identity(), file_.log_state.trust, options_.key);
    if (!signing_trouble_.empty()) permit_.need_resync();  // takes back the leave to send
  }
  tell_accepted();
  if (is_alone_) tell_running();
  lag_.absorbed(file_.log_state.position, absorbed.own, file_.pending.empty());
  if (absorbed.own_out_of_turn) permit_.need_resync();
  if (absorbed.barrier) options_.on_barrier(absorbed.barrier->first, absorbed.barrier->second);
  if (absorbed.question && status_.view().state == State::kRunning) {
    options_.on_question(absorbed.question->first, absorbed.question->second);
  }
}

void Applier::tell_accepted() {
  own_name_.check();
  permit_.accepted(own_name_.accepted(), own_name_.introduced());
}

}  // namespace colony
