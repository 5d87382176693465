#include "replicator/apply/rounds.h"

#include <algorithm>
#include <utility>

#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

// The file is no longer what it was when it was left: what is cached of it is void.
struct PutBack {};

// The app has committed so much just before the lock was taken that it should not
// be read under it.
struct MuchToIndex {};

// Likewise, in wal mode, to be captured.
constexpr std::size_t kFramesUnderLock = 200;
constexpr std::size_t kFramesAtOnce = 5000;

// In slices, between which others can have the file.
void capture_ahead(WalCapture* capture) {
  for (bool done = capture == nullptr; !done;) {
    const std::lock_guard alone(capture->mutex());
    done = capture->read_ahead(kFramesAtOnce);
  }
}

// Likewise, in session mode: what was not captured comes into the outbox before anything foreign
// is applied on top of it.
void audit_ahead(SessionAudit* audit, Database& db) {
  for (bool done = audit == nullptr; !done;) {
    const std::lock_guard alone(audit->mutex());
    done = audit->read(kFramesAtOnce);
    if (done) audit->settle(db);
  }
}

std::unique_lock<std::mutex> lock_of(SessionAudit* audit) {
  return audit == nullptr ? std::unique_lock<std::mutex>() : std::unique_lock(audit->mutex());
}

// Likewise, the schema.
struct SchemaChanged {};

constexpr int kIndexTriesMax = 8;

// What was read of the schema within a round that changes it is void after it, however it
// ends.
class SchemaRound {
 public:
  SchemaRound(FoldedFile& file, bool is_one) : file_(is_one ? &file : nullptr) {}
  ~SchemaRound() {
    if (file_ != nullptr) file_->schema.forget();
  }
  SchemaRound(const SchemaRound&) = delete;
  SchemaRound& operator=(const SchemaRound&) = delete;

 private:
  FoldedFile* file_;
};

}  // namespace

void Rounds::file_loaded() {
  forget_messages();
  missed_ = {};
}

Rounds::Result Rounds::run(const std::vector<Message>& messages) {
  std::size_t messages_max = std::min(messages.size(), missed_.messages_max());
  int index_tries = kIndexTriesMax;
  verified_.look_at(messages, file_.log_state.trust, {file_.records.identity().cluster, file_.log_state.epoch});
  for (;;) {
    try {
      capture_ahead(file_.capture);
      audit_ahead(file_.audit, file_.db);
      file_.index_outbox();
      COLONY_STEP("applier.outbox_read");
      Absorbed absorbed = absorb(messages, messages_max, index_tries > 0);
      missed_ = {};
      file_.release_log();
      wal_.checkpoint(Clock::now());
      COLONY_STEP("applier.checkpointed");
      return {Outcome::kAbsorbed, std::move(absorbed)};
    } catch (const PutBack&) {
      return {Outcome::kPutBack, {}};
    } catch (const MuchToIndex&) {
      --index_tries;
    } catch (const WalCapture::TooMuchToRead&) {
      --index_tries;
    } catch (const SchemaChanged&) {
      return {Outcome::kSchemaChanged, {}};
    } catch (const MissedTransactions::Found& found) {
      missed_.add(found);
      return {Outcome::kMissed, {}};
    } catch (const StoppedAt& stopped) {
      // What came before it must not wait for its cause to be mended.
      if (stopped.message == 0) throw;
      messages_max = stopped.message;
    }
  }
}

Absorbed Rounds::absorb(const std::vector<Message>& messages, std::size_t messages_max, bool may_index_more) {
  const std::unique_lock<std::mutex> alone = lock_of(file_.audit);
  OwnTransaction transaction(file_.db, file_.capture, OwnTransaction::Begin::kGoesOn,
                             may_index_more ? kFramesUnderLock : ~std::size_t{0});
  const WriteTurns::Turn turn(turns_);
  const Clock::time_point begin = Clock::now();
  COLONY_STEP("applier.locked");
  if (file_.audit != nullptr && !file_.audit->is_settled(kFramesUnderLock) && may_index_more) throw MuchToIndex();
  if (file_.was_put_back()) throw PutBack();
  if (file_.has_another_schema()) throw SchemaChanged();
  if (!file_.index_rest_of_outbox()) {
    if (may_index_more) throw MuchToIndex();
    file_.index_outbox();
  }
  RoundPlan plan(file_, verified_, missed_);
  plan.take_in(messages, messages_max, budget_, time());
  COLONY_STEP("applier.planned");
  const SchemaRound schema_round(file_, plan.changes_schema());
  Rebase rebase = file_.rebase();
  rebase.undo(plan.overlapping().transactions(),
              plan.changes_schema() ? Rebase::Schema::kUndone : Rebase::Schema::kStays);
  COLONY_STEP("applier.undone");
  Absorption absorption(file_, plan, rebase);
  absorption.apply(std::max(time(), Clock::now() - begin));
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
  Absorbed absorbed = absorption.committed();
  budget_.round_done(Clock::now() - begin, static_cast<double>(absorbed.work),
                     static_cast<double>(plan.overlapping().work()));
  return absorbed;
}

}  // namespace colony
