#include "replicator/node/applier.h"

#include <algorithm>
#include <utility>

#include "replicator/node/publisher.h"
#include "replicator/node/signing_trouble.h"
#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

using Clock = std::chrono::steady_clock;

// Entries that are small on the way may be large in memory.
constexpr std::size_t kUnpackedBytesMax = 8u << 20;

std::string number(Sequence sequence) { return std::to_string(sequence.value()); }

// What of the transaction could not be applied at the message where it stands.
// Everything before that message can be.
struct StoppedAt {
  std::size_t message;
  std::string why;
};

// The file is no longer where it was left: somebody has written an earlier state
// of it into it, as SQLite's .restore does. What is cached of it is void.
struct PutBack {};

// Too few pending transactions were undone; the round is rolled back.
struct MissedSome {
  std::set<PieceNumber> transactions;
  std::size_t messages;
};

// The app has committed so much just before the lock was taken that it should not
// be read under it.
struct MuchToIndex {};

constexpr std::size_t kIndexSliceBytes = 1u << 20;
constexpr std::size_t kIndexUnderLockBytes = 256u << 10;
constexpr int kIndexTriesMax = 8;
// After so many rounds that have missed some, all are undone.
constexpr int kMissedRoundsMax = 8;

// What every node says of it, so that an operator need not look for the one that errs.
constexpr const char* kNobodyCan =
    ". No node can, and all stop before it: see 'An entry that nobody can apply' in docs/operations.md";

// SQLite refuses the values themselves: it would on any node, and whatever its disk.
bool is_of_the_data(const SqliteError& error) {
  return error.code() == SQLITE_MISMATCH || error.code() == SQLITE_CONSTRAINT || error.code() == SQLITE_TOOBIG;
}

// What applying it takes, in changes of a row of ordinary size.
std::size_t work_of(const PlannedMessage& plan, const Touched& touched) {
  constexpr std::size_t kBytesLikeARow = 512;
  return 1 + touched.asks.size() + plan.transactions.size() + plan.message->data.size() / kBytesLikeARow;
}

}  // namespace

Applier::Applier(const std::string& path, Log& log, Progress& progress, Status& status, Options options)
    : db_(open_for_fold(path, options.spill)),
      file_(db_),
      fold_(db_, schema_),
      journal_(db_),
      index_(file_, schema_, pending_),
      data_version_(db_, "PRAGMA data_version"),
      log_(log),
      progress_(progress),
      status_(status),
      options_(std::move(options)),
      pulse_(options_.pulse != nullptr ? *options_.pulse : own_pulse_),
      wal_(db_, status_),
      goes_on_(db_, [this] { pulse_.advance(); }) {
  db_.wait_for_locks([this](int waited_ms) { return wait_for_lock(waited_ms); });
  // Instead of SQLite's own, which checkpoints before it says that the lock is free.
  sqlite3_wal_hook(
      db_.handle(),
      [](void* context, sqlite3*, const char*, int pages) {
        auto* const applier = static_cast<Applier*>(context);
        applier->released_ = Clock::now();
        applier->wal_.committed(pages);
        return SQLITE_OK;
      },
      this);
}

Applier::~Applier() = default;

void Applier::load() {
  loaded_ = met_log_ = false;
  messages_.clear();
  index_.clear();
  missed_ = {};
  question_.reset();
  schema_.load(db_);
  fold_.schema_changed();
  position_ = file_.position();
  log_bytes_ = file_.log_bytes();
  log_chain_ = file_.log_chain();
  if (options_.witness != nullptr) options_.witness->begin(position_, log_chain_);
  origins_ = file_.origins();
  signing_trouble_ = signing_trouble(file_.identity(), file_.trust(), options_.key);
  loaded_ = true;
}

// The publisher may send once this file has absorbed an end of the log that was
// looked up after it asked.
void Applier::answer_question() {
  const std::optional<std::uint64_t> open = progress_.open_question();
  if (!open) return;
  if (question_ != open) {
    const LogInfo info = log_.info();
    // What was fetched before the cut can still be absorbed.
    if (messages_.empty()) check_not_cut(info);
    head_ = info.last;
    question_ = open;
    if (position_ < head_ && status_.view().state != State::kCatchingUp) {
      catching_up_from_ = position_;
      pace_.reset();
      pace_.note(Clock::now(), position_.value());
      status_.set_state(State::kCatchingUp);
      status_.set_catching_up({catching_up_from_, 0});
    }
  }
  if (position_ < head_) return;
  // It goes on reading: that it is trusted after all comes by the log.
  if (!signing_trouble_.empty()) return status_.set_state(State::kHalted, signing_trouble_);
  status_.set_state(State::kRunning);
  progress_.grant(*open);
}

Clock::duration Applier::rest() const {
  constexpr Clock::duration kLookAtWalEvery = std::chrono::milliseconds(5);
  const Clock::duration rest = courtesy_.rest(Clock::now());
  return wal_.is_holding_back() ? std::max(rest, kLookAtWalEvery) : rest;
}

// Asked by SQLite between two tries for a lock. People hear of it when it lasts.
bool Applier::wait_for_lock(int waited_ms) {
  constexpr Clock::duration kWorthTelling = std::chrono::milliseconds(200);
  if (wal_.is_trying()) return false;
  if (waited_ms == 0) lock_wait_began_ = Clock::now();
  if (!lock_wait_told_ && Clock::now() - lock_wait_began_ >= kWorthTelling) {
    lock_wait_told_ = true;
    status_.set_lock_wait(lock_wait_began_);
  }
  return options_.go_on_waiting(waited_ms);
}

void Applier::lock_taken() {
  if (!std::exchange(lock_wait_told_, false)) return;
  pulse_.advance();  // before the wait no longer excuses it
  status_.set_lock_wait(std::nullopt);
}

// Nothing to do, or something that the broker says it has and does not give.
void Applier::tell_wait_for_entries() {
  if (!messages_.empty()) return;
  if (position_ < std::max(log_.last_known(), head_)) {
    pulse_.go_on_with("waiting for entries that the log has");
  } else {
    pulse_.rest();
  }
}

// Since when there is something to absorb.
void Applier::tell_behind() {
  const bool behind = position_ < std::max(log_.last_known(), head_);
  if (std::exchange(behind_told_, behind) == behind) return;
  status_.set_behind(behind ? std::optional(Clock::now()) : std::nullopt);
}

void Applier::look_again() {
  if (!met_log_) return;  // the next step looks anyway
  try {
    check_log(log_.info());
  } catch (const LogUnavailable&) {
    met_log_ = false;
    messages_.clear();
    throw;
  } catch (...) {
    loaded_ = false;
    throw;
  }
}

bool Applier::step(std::chrono::milliseconds wait) {
  const EndOfWait end_of_wait{*this};
  try {
    wal_.look(Clock::now());
    if (wal_.is_holding_back()) {
      pulse_.begin("emptying the write-ahead log");
      wal_.hold_back(Clock::now());
      return true;
    }
    if (!loaded_) {
      pulse_.begin("reading the file");
      load();
    }
    if (!met_log_) {
      pulse_.begin("asking for the state of the log");
      meet_log();
      tell_accepted();
      // What was sent over the connection before this one may be lost.
      progress_.need_resync();
    }
    // After the log was met: who halts for it must still hear that the log is being recovered.
    if (options_.witness != nullptr) options_.witness->check();
    answer_question();
    tell_wait_for_entries();
    if (messages_.empty()) messages_ = log_.fetch(position_.next(), options_.fetch, wait);
    status_.set_log_head(log_.last_known());
    if (messages_.empty()) {
      // Nothing comes, and there is something: it may be gone for good.
      if (position_ < log_.last_known()) check_not_cut(log_.info());
      return false;
    }
    pulse_.begin("applying what others have committed");
    COLONY_STEP("applier.fetched");
    check_next(messages_.front());
    tell_behind();
    absorb();
    tell_behind();
    if (loaded_) answer_question();
    return true;
  } catch (const LogUnavailable&) {
    met_log_ = false;
    messages_.clear();
    throw;
  } catch (...) {
    loaded_ = false;
    throw;
  }
}

// While one lives, the write lock is held.
class Applier::Lock {
 public:
  explicit Lock(Applier& applier) : applier_(applier), others_wrote_(applier.others_wrote()), from_(Clock::now()) {
    applier.lock_taken();
  }
  ~Lock() {
    const Clock::time_point until = applier_.released_ > from_ ? applier_.released_ : Clock::now();
    applier_.courtesy_.held(from_, until, others_wrote_);
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  Applier& applier_;
  bool others_wrote_;
  Clock::time_point from_;
};

// Absorbs what one transaction has time for.
void Applier::absorb() {
  std::size_t messages_max = std::min(messages_.size(), missed_.messages_max);
  int index_tries = kIndexTriesMax;
  for (;;) {
    try {
      index_outbox();
      COLONY_STEP("applier.outbox_read");
      Absorbed absorbed = absorb_once(messages_max, index_tries > 0);
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
    } catch (const MissedSome& missed) {
      // The next step makes up for it, so that the app can come in between.
      missed_.transactions.insert(missed.transactions.begin(), missed.transactions.end());
      missed_.messages_max = missed.messages;
      ++missed_.rounds;
      return;
    } catch (const StoppedAt& stopped) {
      // What came before it must not wait for its cause to be mended.
      if (stopped.message == 0) throw Halt(stopped.why);
      messages_max = stopped.message;
    }
  }
}

// What one write transaction is to do.
struct Applier::Round {
  explicit Round(const PendingTransactions& pending) : met(pending) {}

  std::vector<PlannedMessage> plans;
  std::vector<std::size_t> work;  // of each
  std::size_t work_sum = 0;
  MetTransactions met;
};

void Applier::plan(Round& round, std::size_t messages_max) {
  undo_missed(round.met);
  const Clock::duration time = round_time();
  Planner planner(file_, origins_);
  Sequence expected = position_.next();
  std::size_t unpacked = 0;
  for (std::size_t i = 0; i < messages_max && messages_[i].sequence == expected; ++i) {
    if (!budget_.has_room(time, i, static_cast<double>(round.work_sum), static_cast<double>(round.met.work()))) break;
    try {
      round.plans.push_back(planner.plan(messages_[i]));
    } catch (const Halt& halt) {
      throw StoppedAt{i, halt.what()};
    }
    const PlannedMessage& plan = round.plans.back();
    if (!meet(round, plan)) break;
    if (plan.barrier() != nullptr) break;  // its position is to be seen
    if (plan.entry) unpacked += plan.entry->storage.size();
    if (unpacked > kUnpackedBytesMax) break;
    expected = expected.next();
  }
}

// Adds what the message touches and whom it meets. False if it cannot be told: the
// fold will meet the damage too, and tell which entry it is in.
bool Applier::meet(Round& round, const PlannedMessage& plan) const {
  Touched touched;
  try {
    for (const PlannedTransaction& transaction : plan.transactions) {
      if (!transaction.own) add_touched(schema_, transaction.changeset, touched);
    }
  } catch (const ChangesetError&) {
    round.work.push_back(1);
    return false;
  }
  round.work.push_back(work_of(plan, touched));
  round.work_sum += round.work.back();
  if (!pending_.empty()) round.met.ask(touched.asks);
  return true;
}

// Undoing more than is met is never wrong, only more work.
void Applier::undo_missed(MetTransactions& met) const {
  if (missed_.rounds >= kMissedRoundsMax) {
    for (const PieceNumber last : pending_.all()) met.add(last);
  }
  for (const PieceNumber last : missed_.transactions) {
    if (pending_.contains(last)) met.add(last);
  }
}

Applier::Absorbed Applier::absorb_once(std::size_t messages_max, bool may_index_more) {
  WriteTransaction transaction(db_);
  const Lock lock(*this);  // after it: others_wrote() looks from inside
  const Clock::time_point begin = Clock::now();
  COLONY_STEP("applier.locked");
  if (file_.position() != position_ || file_.outbox_end() < index_.end()) throw PutBack();
  finish_index(may_index_more);

  Round round(pending_);
  plan(round, messages_max);
  COLONY_STEP("applier.planned");
  Rebase rebase(file_, fold_, schema_, journal_, pending_);
  rebase.undo(round.met.transactions());
  COLONY_STEP("applier.undone");
  Absorbed absorbed = execute(round, rebase, begin);
  COLONY_STEP("applier.applied");
  rebase.redo_rest();
  COLONY_STEP("applier.redone");
  if (!rebase.missed().empty()) throw MissedSome{rebase.missed(), absorbed.messages};
  if (rebase.journalled()) journal_.trim(file_.conflicts_max());
  write_progress(absorbed);
  COLONY_STEP("applier.progress_written");
  transaction.commit();
  COLONY_STEP("applier.committed");
  rebase.committed();
  budget_.round_done(Clock::now() - begin, static_cast<double>(absorbed.work), static_cast<double>(round.met.work()));
  return absorbed;
}

// The messages of the round, or as many as there is time for: what they are was
// foretold, how long they take was only guessed.
Applier::Absorbed Applier::execute(const Round& round, Rebase& rebase, Clock::time_point begin) {
  const Clock::time_point prepared = Clock::now();
  const Clock::duration time_max = std::max(round_time(), prepared - begin);
  Absorbed absorbed;
  absorbed.origins = origins_;
  for (const PlannedMessage& plan : round.plans) {
    const std::string which = "entry " + number(plan.message->sequence) + " of node " + plan.message->origin;
    try {
      execute(plan, rebase, absorbed);
    } catch (const SchemaMismatch& mismatch) {
      throw StoppedAt{absorbed.messages, which + " " + mismatch.what() +
                                             ": make the same schema change here that was made there, run colony init "
                                             "again, and this node goes on by itself"};
    } catch (const ChangesetError& error) {
      throw StoppedAt{absorbed.messages, which + " cannot be applied: " + error.what() + kNobodyCan};
    } catch (const SqliteError& error) {
      if (!is_of_the_data(error)) throw;
      throw StoppedAt{absorbed.messages, which + " cannot be applied: " + error.what() + kNobodyCan};
    }
    absorbed.bytes += plan.message->data.size();
    absorbed.work += round.work[absorbed.messages++];
    if (Clock::now() - prepared >= time_max) break;
  }
  return absorbed;
}

// Before the write lock is taken: the app can go on meanwhile.
void Applier::index_outbox() {
  while (!index_.take(kIndexSliceBytes)) continue;
}

// Under the write lock, nothing can come in between.
void Applier::finish_index(bool may_index_more) {
  const bool knew_some = index_.end() != PieceNumber();
  if (schema_.refresh(db_)) {
    fold_.schema_changed();
    index_.clear();  // what they touch may be more now
    if (knew_some && may_index_more) throw MuchToIndex();
  }
  if (index_.take(kIndexUnderLockBytes)) return;
  if (may_index_more) throw MuchToIndex();
  while (!index_.take(kIndexSliceBytes)) continue;
}

// Whether somebody else has written to the file since this was last asked.
bool Applier::others_wrote() {
  data_version_.step();
  const std::int64_t version = data_version_.integer(0);
  data_version_.reset();
  return std::exchange(known_data_version_, version) != version;
}

void Applier::execute(const PlannedMessage& plan, Rebase& rebase, Absorbed& absorbed) {
  const Message& message = *plan.message;
  if (plan.passed_over) {
    absorbed.untrusted += plan.untrusted;
    absorbed.not_entries += !plan.entry && !plan.untrusted;
    absorbed.own_out_of_turn |= plan.out_of_turn && message.origin == file_.identity().node;
    return;
  }
  if (const HelloEntry* const hello = plan.hello()) {
    Origin& origin = absorbed.origins[message.origin];
    origin.incarnation = plan.entry->incarnation;
    origin.host = hello->host;
    origin.path = hello->path;
    origin.version = hello->version;
    origin.sequence = message.sequence;
    COLONY_STEP("applier.hello_absorbed");
    return;
  }
  if (const TrustEntry* const trust = plan.trust()) {
    file_.set_trust({trust->version, trust->keys});
    absorbed.trust_changed = true;
    return;
  }
  if (const LeaveEntry* const leave = plan.leave()) return execute_leave(message, *leave, absorbed);
  if (const BarrierEntry* const barrier = plan.barrier()) {
    absorbed.barrier = {*barrier, message.sequence};
    return;
  }
  for (const PlannedTransaction& transaction : plan.transactions) {
    if (transaction.own) {
      rebase.absorb_own(message.sequence, transaction.last);
      ++absorbed.own;
      continue;
    }
    if (transaction.has_parts) file_.remove_parts(message.origin);
    rebase.apply_foreign(message.sequence, message.origin, transaction.last, transaction.changeset, transaction.shape);
  }
  for (const PlannedPart& part : plan.parts) {
    file_.add_part(message.origin, part.piece, part.changeset);
    COLONY_STEP("applier.part_kept");
  }
  if (plan.accepted != PieceNumber()) {
    absorbed.origins[message.origin].piece = plan.accepted;
    absorbed.origins[message.origin].sequence = message.sequence;
  }
}

void Applier::execute_leave(const Message& message, const LeaveEntry& leave, Absorbed& absorbed) {
  const auto leaver = absorbed.origins.find(leave.node);
  COLONY_ASSERT(leaver != absorbed.origins.end());
  const Origin& origin = leaver->second;
  const std::string removed_by = leave.node == message.origin ? "" : message.origin;
  file_.add_departure(leave.incarnation, {leave.node, origin.piece, message.sequence, removed_by, origin.host,
                                          origin.path, origin.version});
  // What of this file's outbox the log has taken stays taken.
  if (leave.incarnation == file_.identity().incarnation) file_.set_absorbed(origin.piece);
  absorbed.origins.erase(leaver);
  COLONY_STEP("applier.leave_absorbed");
}

void Applier::write_progress(const Absorbed& absorbed) {
  COLONY_ASSERT(absorbed.messages > 0);
  const Message& last = messages_[absorbed.messages - 1];
  file_.set_position(last.sequence, message_hash(last.data), log_bytes_ + absorbed.bytes);
  absorbed_places_.clear();
  if (log_chain_) {
    std::uint64_t chain = *log_chain_;
    for (std::size_t i = 0; i < absorbed.messages; ++i) {
      chain = chained_hash(chain, message_hash(messages_[i].data));
      absorbed_places_.push_back({messages_[i].sequence, chain});
    }
    file_.set_log_chain(chain);
  }
  for (const auto& [node, origin] : absorbed.origins) {
    const auto before = origins_.find(node);
    if (before != origins_.end() && before->second == origin) continue;
    file_.set_origin(node, origin);
    if (node == file_.identity().node && origin.incarnation == file_.identity().incarnation) {
      file_.set_absorbed(origin.piece);
    }
  }
}

void Applier::tell_accepted() {
  check_name();
  progress_.accepted(introduced_ ? self()->piece : PieceNumber(), introduced_);
}

void Applier::tell(Absorbed& absorbed) {
  position_ = messages_[absorbed.messages - 1].sequence;
  log_bytes_ += absorbed.bytes;
  for (const LogMark& place : absorbed_places_) {
    log_chain_ = place.chain;
    if (options_.witness != nullptr) options_.witness->absorbed(place);
  }
  origins_ = std::move(absorbed.origins);
  messages_.erase(messages_.begin(), messages_.begin() + static_cast<std::ptrdiff_t>(absorbed.messages));
  for (std::size_t i = 0; i < absorbed.not_entries; ++i) status_.count_passed_over();
  for (std::size_t i = 0; i < absorbed.untrusted; ++i) status_.count_untrusted();
  if (absorbed.trust_changed) {
    signing_trouble_ = signing_trouble(file_.identity(), file_.trust(), options_.key);
    if (!signing_trouble_.empty()) progress_.need_resync();  // takes back the leave to send
  }
  tell_accepted();
  tell_pace(absorbed.own);
  if (absorbed.own_out_of_turn) progress_.need_resync();
  if (absorbed.barrier) options_.on_barrier(absorbed.barrier->first, absorbed.barrier->second);
}

Clock::duration Applier::round_time() const {
  return courtesy_.app_writes(Clock::now()) ? options_.transaction_beside_app_ms : options_.transaction_ms;
}

// For people who wait: how fast it goes.
void Applier::tell_pace(std::size_t own_absorbed) {
  const Clock::time_point now = Clock::now();
  pace_.note(now, position_.value());
  status_.set_catching_up({catching_up_from_, pace_.per_s()});
  if (pending_.empty()) {
    own_absorbed_ = 0;
    own_pace_.reset();
  } else {
    own_absorbed_ += own_absorbed;
    own_pace_.note(now, own_absorbed_);
  }
  status_.set_sending({own_absorbed_, own_pace_.per_s()});
}

}  // namespace colony
