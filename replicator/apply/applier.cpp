#include "replicator/apply/applier.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "replicator/store/schema_agreement.h"
#include "sqlite_ext/crash_step.h"

namespace colony {

Applier::Applier(const std::string& path, Log& log, ApplierObserver& observer, Options options)
    : file_(path, options.spill, options.capture, options.audit),
      log_(log),
      observer_(observer),
      options_(std::move(options)),
      wal_(file_.db, [this](auto since) { observer_.delayed(Delay::kCheckpoint, since); }),
      turns_(
          file_.db, wal_, [this](auto since) { tell_lock_wait(since); }, options_.go_on_waiting),
      goes_on_(file_.db, [this] { observer_.progressed({LoopMark::kAdvances}); }),
      log_validation_(file_, log_, observer_),
      clearance_(file_, log_, log_validation_, observer_, {options_.home, options_.key, options_.asks_for_base}),
      rounds_(file_, wal_, turns_, {options_.transaction_ms, options_.transaction_beside_app_ms}),
      lateness_(observer_),
      own_migration_(options_.migration_pause) {}

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
      begin("reading the file");
      load();
    }
    if (!met_log_) {
      begin("asking for the state of the log");
      meet_log();
    }
    // After the log was met: who halts for it must still hear that the log is being recovered.
    observer_.check_may_go_on();
    clearance_.answer(messages_.empty());
    tell_wait_for_entries();
    if (!fetch(wait)) return false;
    if (waits_for_own_migration(wait)) return false;
    begin("applying what others have committed");
    COLONY_STEP("applier.fetched");
    log_validation_.check_next(messages_.front());
    if (clearance_.is_base_unknown()) log_validation_.check_begins_colony(messages_);
    lateness_.set_behind(is_behind());
    absorb();
    lateness_.set_behind(is_behind());
    // After an absence there is no hurry: programs come first then.
    turns_.set_late(lateness_.is_late() && clearance_.is_running());
    if (loaded_) clearance_.answer(messages_.empty());
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
  SnapshotInstall(file_, turns_, snapshot_file, own_rows, options_.go_on).run();
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
  clearance_.failed();
  try {
    throw;
  } catch (const WalLost&) {
    file_.forget_outbox();  // what was captured and not queued will be again, as other transactions perhaps
    loaded_ = false;
    throw;
  } catch (const LogUnavailable&) {
    met_log_ = false;
    messages_.clear();
    rounds_.forget_messages();
    throw;
  } catch (...) {
    loaded_ = false;
    throw;
  }
}

// True if nothing should be written just now.
bool Applier::keep_wal_short() {
  file_.release_log();
  wal_.look(Clock::now());
  if (!wal_.is_holding_back()) return false;
  begin("emptying the write-ahead log");
  if (file_.capture != nullptr) {
    const std::lock_guard alone(file_.capture->mutex());
    if (file_.capture->follows() && file_.capture->read_ahead(~std::size_t{0})) file_.capture->move_pin();
  }
  wal_.hold_back(Clock::now());
  return true;
}

// What programs have done to the schema, above all: else it would be taken for something that
// nobody has told.
void Applier::capture_committed() {
  if (file_.audit != nullptr) {
    const std::lock_guard alone(file_.audit->mutex());
    file_.audit->read();
    file_.audit->settle(file_.db);
  }
  if (file_.capture == nullptr) return;
  OwnTransaction transaction(file_.db, file_.capture);
  const WriteTurns::Turn turn(turns_);
  if (file_.capture->has_work()) transaction.commit();
}

void Applier::load() {
  loaded_ = met_log_ = false;
  capture_committed();
  messages_.clear();
  rounds_.file_loaded();
  file_.load();
  settle_schema();
  clearance_.file_loaded();
  loaded_ = true;
}

void Applier::load_schema() {
  capture_committed();
  file_.load_schema();
  settle_schema();
}

// Tables that have only got more columns are agreed on as they are now. Halts for all else:
// nothing may be folded into other tables, and what was written to them must not be sent.
void Applier::settle_schema() {
  schema_is_broken_ = false;
  if (find_schema_changes(file_.db).empty()) return;
  {
    OwnTransaction transaction(file_.db, file_.capture);
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
  const LogInfo info = log_validation_.meet();
  met_log_ = true;
  COLONY_STEP("applier.met_log");
  clearance_.log_met(info);
}

// False if there is nothing to absorb.
bool Applier::fetch(std::chrono::milliseconds wait) {
  if (messages_.empty()) messages_ = log_.fetch(file_.log_state.position.next(), options_.fetch, wait);
  observer_.log_seen({log_.last_known(), std::nullopt});
  if (!messages_.empty()) return true;
  // Nothing comes, and there is something: it may be gone for good.
  if (file_.log_state.position < log_.last_known()) log_validation_.check_not_cut(log_.info());
  return false;
}

bool Applier::is_behind() const { return file_.log_state.position < std::max(log_.last_known(), clearance_.end()); }

// Nothing to do, or something that the broker says it has and does not give.
void Applier::tell_wait_for_entries() {
  if (!messages_.empty()) return;
  if (is_behind()) {
    observer_.progressed({LoopMark::kGoesOnWith, "waiting for entries that the log has"});
  } else {
    observer_.progressed({LoopMark::kRests});
  }
}

// Only before a change of the schema; what comes before it in the log is absorbed.
bool Applier::waits_for_own_migration(std::chrono::milliseconds wait) {
  constexpr std::chrono::milliseconds kLookAgain{20};
  const Message& next = messages_.front();
  if (options_.migration_pause.count() == 0 || next.origin == file_.records.identity().node) return false;
  if (!is_schema_entry(next.data, next.origin)) return false;
  file_.index_outbox();
  own_migration_.look(file_.pending.latest_schema_change(), Clock::now());
  if (!own_migration_.holds_back(Clock::now())) return false;
  observer_.progressed({LoopMark::kGoesOnWith, "waiting for the migration that this node runs itself"});
  std::this_thread::sleep_for(std::min(wait, kLookAgain));
  return true;
}

// Absorbs what one transaction has time for. Where that did not come about, the next step
// goes on, so that the app can come in between.
void Applier::absorb() {
  stopped_at_.reset();
  try {
    Rounds::Result result = rounds_.run(messages_);
    switch (result.outcome) {
      case Rounds::Outcome::kAbsorbed:
        messages_.erase(messages_.begin(), messages_.begin() + static_cast<std::ptrdiff_t>(result.absorbed.messages));
        clearance_.absorbed(std::move(result.absorbed));
        COLONY_STEP("applier.told");
        return;
      case Rounds::Outcome::kMissed:
        return;
      case Rounds::Outcome::kPutBack:
        loaded_ = false;
        return;
      case Rounds::Outcome::kSchemaChanged:
        return load_schema();
    }
  } catch (const StoppedAt& stopped) {
    stopped_at_ = {messages_.front().sequence, message_hash(messages_.front().data)};
    throw Halt(stopped.why);
  }
}

void Applier::tell_lock_wait(ApplierObserver::Since since) {
  if (!since) observer_.progressed({LoopMark::kAdvances});  // before the wait no longer excuses it
  observer_.delayed(Delay::kWriteLock, since);
}

}  // namespace colony
