#include "replicator/node/applier.h"

#include <algorithm>

#include "replicator/node/publisher.h"

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

}  // namespace

Applier::Applier(const std::string& path, Log& log, Progress& progress, Status& status, Options options)
    : db_(open_for_fold(path, options.spill)),
      file_(db_),
      fold_(db_, schema_),
      journal_(db_),
      log_(log),
      progress_(progress),
      status_(status),
      options_(std::move(options)) {
  db_.wait_for_locks(options_.go_on_waiting);
}

Applier::~Applier() = default;

void Applier::load() {
  loaded_ = met_log_ = false;
  messages_.clear();
  pending_.clear();
  question_.reset();
  schema_.load(db_);
  fold_.schema_changed();
  position_ = file_.position();
  origins_ = file_.origins();
  loaded_ = true;
}

// Is this the log that the file remembers?
void Applier::meet_log() {
  const LogInfo info = log_.info();
  status_.set_log_head(info.last);
  if (info.entry_bytes_max < kEntryBytesMin) {
    throw Halt("the broker takes messages of " + std::to_string(info.entry_bytes_max) +
               " bytes at most, and Colony needs " + std::to_string(kEntryBytesMin) +
               ": raise max_payload in its configuration to 64 KiB or more");
  }
  if (const std::string known = file_.epoch(); known.empty()) {
    WriteTransaction transaction(db_);
    file_.set_epoch(info.epoch);
    transaction.commit();
  } else if (known != info.epoch) {
    throw Halt("the log is another one (epoch " + info.epoch + ") than this file has absorbed up to position " +
               number(position_) + " (epoch " + known +
               "): it was deleted and made anew, or the broker is another colony's. Give the old log back");
  }
  if (position_ > info.last) {
    throw Halt("the log has lost its end: it ends at " + number(info.last) + ", and this file has absorbed it up to " +
               number(position_) + ". Give the broker its newer store back");
  }
  if (position_.next() < info.first) {
    throw Halt(
        "the log no longer has entries " + number(position_.next()) + " to " +
        number(Sequence(info.first.value() - 1)) +
        ", which this file has not absorbed. Replace the file by a copy of another node's, and name it anew with "
        "colony init");
  }
  if (position_ >= info.first && position_ != Sequence()) {
    const std::optional<Message> message = log_.read(position_);
    if (message && message_hash(message->data) != file_.position_hash()) {
      throw Halt("the log has changed its past: entry " + number(position_) +
                 " is another one than this file has absorbed. Give the broker its former store back");
    }
  }
  progress_.set_entry_bytes_max(info.entry_bytes_max);
  met_log_ = true;
}

// What the log says of this node: null before its first hello.
const Origin* Applier::self() const {
  const auto found = origins_.find(file_.identity().node);
  return found == origins_.end() ? nullptr : &found->second;
}

void Applier::check_name() {
  const Identity& identity = file_.identity();
  const Origin* const holder = self();
  if (holder == nullptr) return;
  const std::string elsewhere = holder->host + ":" + holder->path;
  const std::string rename = "colony init DB --cluster " + identity.cluster + " --node NEW";
  if (holder->incarnation != identity.incarnation) {
    throw Halt("the name " + identity.node + " in colony " + identity.cluster + " belongs to " + elsewhere +
               ": stop this sidecar and give the file another one (" + rename + " --keep-pending)");
  }
  const bool here = holder->host == options_.home.host && holder->path == options_.home.path;
  if (introduced_ && !here) {
    throw Halt("a copy of this file speaks as node " + identity.node + " at " + elsewhere +
               ": stop one of the two, and give the copy a name of its own (" + rename + ")");
  }
  introduced_ = here;
}

void Applier::check_next(const Message& message) {
  if (message.sequence == position_.next()) return;
  if (log_.read(position_.next())) throw LogUnavailable("the broker skipped entries that it has");
  throw Halt(
      "the log has a gap: after " + number(position_) + " comes " + number(message.sequence) +
      "; what was between was removed from the log. Replace this file by a copy of a node's that has absorbed it, "
      "and name it anew with colony init");
}

// The publisher may send once this file has absorbed an end of the log that was
// looked up after it asked.
void Applier::answer_question() {
  const std::optional<std::uint64_t> open = progress_.open_question();
  if (!open) return;
  if (question_ != open) {
    head_ = log_.info().last;
    question_ = open;
    if (position_ < head_) status_.set_state(State::kCatchingUp);
  }
  if (position_ < head_) return;
  status_.set_state(State::kRunning);
  progress_.grant(*open);
}

bool Applier::step(std::chrono::milliseconds wait) {
  try {
    if (!loaded_) load();
    if (!met_log_) {
      meet_log();
      tell_accepted();
      // What was sent over the connection before this one may be lost.
      progress_.need_resync();
    }
    answer_question();
    if (messages_.empty()) messages_ = log_.fetch(position_.next(), options_.fetch, wait);
    status_.set_log_head(log_.last_known());
    if (messages_.empty()) return false;
    check_next(messages_.front());
    absorb();
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

// Absorbs what one transaction has time for.
void Applier::absorb() {
  std::size_t messages_max = messages_.size();
  bool undo_all = false;
  for (;;) {
    try {
      Absorbed absorbed = absorb_once(messages_max, undo_all);
      tell(absorbed);
      return;
    } catch (const PutBack&) {
      loaded_ = false;
      return;
    } catch (const NeedsFullRebase&) {
      COLONY_ASSERT(!undo_all);
      undo_all = true;
    } catch (const StoppedAt& stopped) {
      // What came before it must not wait for its cause to be mended.
      if (stopped.message == 0) throw Halt(stopped.why);
      messages_max = stopped.message;
    }
  }
}

std::vector<PlannedMessage> Applier::plan(std::size_t messages_max) {
  std::vector<PlannedMessage> plans;
  Planner planner(file_, origins_);
  Sequence expected = position_.next();
  std::size_t unpacked = 0;
  for (std::size_t i = 0; i < messages_max && messages_[i].sequence == expected; ++i) {
    try {
      plans.push_back(planner.plan(messages_[i]));
    } catch (const Halt& halt) {
      throw StoppedAt{i, halt.what()};
    }
    if (plans.back().barrier() != nullptr) break;  // its position is to be seen
    if (plans.back().entry) unpacked += plans.back().entry->storage.size();
    if (unpacked > kUnpackedBytesMax) break;
    expected = expected.next();
  }
  return plans;
}

// The pending transactions that the planned ones meet.
std::set<PieceNumber> Applier::met_by(const std::vector<PlannedMessage>& plans) const {
  if (pending_.empty()) return {};
  Touched touched;
  for (const PlannedMessage& plan : plans) {
    for (const PlannedTransaction& transaction : plan.transactions) {
      if (!transaction.own) add_touched(schema_, transaction.changeset, touched);
    }
  }
  return pending_.met_by(touched.asks);
}

Applier::Absorbed Applier::absorb_once(std::size_t messages_max, bool undo_all) {
  WriteTransaction transaction(db_);
  const Clock::time_point begin = Clock::now();
  if (file_.position() != position_) throw PutBack();
  if (schema_.refresh(db_)) fold_.schema_changed();
  index_new_pending();

  const std::vector<PlannedMessage> plans = plan(messages_max);
  Rebase rebase(file_, fold_, schema_, journal_, pending_);
  std::set<PieceNumber> to_undo;
  if (undo_all) {
    const std::vector<PieceNumber> all = pending_.all();
    to_undo = {all.begin(), all.end()};
  } else {
    try {
      to_undo = met_by(plans);
    } catch (const ChangesetError&) {
      // The fold will meet it too, and tell which entry it is.
    }
  }
  rebase.undo(std::move(to_undo));

  // What was planned and undone, and is to be redone, must pay: so much is absorbed
  // on top of it that all of the catching up takes time in proportion to it.
  const Clock::time_point prepared = Clock::now();
  const Clock::duration time_max = std::max<Clock::duration>(options_.transaction_ms, prepared - begin);
  Absorbed absorbed;
  absorbed.origins = origins_;
  for (const PlannedMessage& plan : plans) {
    try {
      execute(plan, rebase, absorbed);
    } catch (const SchemaMismatch& mismatch) {
      throw StoppedAt{absorbed.messages, "entry " + number(plan.message->sequence) + " of node " +
                                             plan.message->origin + " " + mismatch.what() +
                                             ": make the same schema change here that was made there, run colony init "
                                             "again, and this node goes on by itself"};
    } catch (const ChangesetError& error) {
      throw StoppedAt{absorbed.messages, "entry " + number(plan.message->sequence) + " of node " +
                                             plan.message->origin + " cannot be applied: " + error.what()};
    }
    ++absorbed.messages;
    if (Clock::now() - prepared >= time_max) break;
  }
  rebase.redo_rest();
  if (rebase.journalled()) journal_.trim(file_.conflicts_max());
  write_progress(absorbed);
  transaction.commit();
  rebase.committed();
  return absorbed;
}

// Takes in what the app has committed since the last look. The write lock is
// held: nothing can come in between.
void Applier::index_new_pending() {
  constexpr std::size_t kBytesAtOnce = 4u << 20;
  std::optional<PieceNumber> first;
  Spill changeset(file_.spill());
  PieceNumber from = pending_.end();
  for (;;) {
    const std::vector<OutboxPiece> pieces = file_.outbox_after(from, kBytesAtOnce);
    if (pieces.empty()) return;
    for (const OutboxPiece& piece : pieces) {
      if (!first) first = piece.piece;
      changeset.append(piece.changeset);
      if (!piece.last) continue;
      Touched touched;
      add_touched(schema_, changeset, touched);
      if (std::optional<Spill> effect = file_.effect(*first, piece.piece)) add_touched(schema_, *effect, touched);
      pending_.add(*first, piece.piece, std::move(touched));
      first.reset();
      changeset.clear();
    }
    from = pieces.back().piece;
  }
}

void Applier::execute(const PlannedMessage& plan, Rebase& rebase, Absorbed& absorbed) {
  const Message& message = *plan.message;
  if (plan.passed_over) {
    absorbed.not_entries += !plan.entry;
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
    return;
  }
  if (const BarrierEntry* const barrier = plan.barrier()) {
    absorbed.barrier = {*barrier, message.sequence};
    return;
  }
  for (const PlannedTransaction& transaction : plan.transactions) {
    if (transaction.own) {
      rebase.absorb_own(message.sequence, transaction.last);
      continue;
    }
    if (transaction.has_parts) file_.remove_parts(message.origin);
    rebase.apply_foreign(message.sequence, message.origin, transaction.last, transaction.changeset, transaction.shape);
  }
  for (const PlannedPart& part : plan.parts) file_.add_part(message.origin, part.piece, part.changeset);
  if (plan.accepted != PieceNumber()) {
    absorbed.origins[message.origin].piece = plan.accepted;
    absorbed.origins[message.origin].sequence = message.sequence;
  }
}

void Applier::write_progress(const Absorbed& absorbed) {
  COLONY_ASSERT(absorbed.messages > 0);
  const Message& last = messages_[absorbed.messages - 1];
  file_.set_position(last.sequence, message_hash(last.data));
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
  origins_ = std::move(absorbed.origins);
  messages_.erase(messages_.begin(), messages_.begin() + static_cast<std::ptrdiff_t>(absorbed.messages));
  for (std::size_t i = 0; i < absorbed.not_entries; ++i) status_.count_passed_over();
  tell_accepted();
  if (absorbed.own_out_of_turn) progress_.need_resync();
  if (absorbed.barrier) options_.on_barrier(absorbed.barrier->first, absorbed.barrier->second);
}

}  // namespace colony
