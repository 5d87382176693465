#include "replicator/apply/absorption.h"

#include "replicator/compare/checks.h"
#include "sqlite_ext/crash_step.h"

namespace colony {
namespace {

// What every node says of it, so that an operator need not look for the one that errs.
constexpr const char* kNobodyCan =
    ". No node can, and all stop before it: see 'An entry that nobody can apply' in docs/operations.md";

// SQLite refuses the values themselves: it would on any node, and whatever its disk.
bool is_of_the_data(const SqliteError& error) {
  return error.code() == SQLITE_MISMATCH || error.code() == SQLITE_CONSTRAINT || error.code() == SQLITE_TOOBIG;
}

}  // namespace

Absorption::Absorption(FoldedFile& file, const RoundPlan& plan, Rebase& rebase)
    : file_(file), plan_(plan), rebase_(rebase), origins_(file.origins) {}

void Absorption::apply(Clock::duration time_max) {
  const Clock::time_point begin = Clock::now();
  for (const PlannedMessage& planned : plan_.messages()) {
    const Message& message = *planned.message;
    const std::string which = "entry " + std::to_string(message.sequence.value()) + " of node " + message.origin;
    try {
      apply(planned);
    } catch (const SchemaMismatch& mismatch) {
      throw StoppedAt{absorbed_.messages, which + " " + mismatch.what() + ": " + mismatch.advice()};
    } catch (const ChangesetError& error) {
      throw StoppedAt{absorbed_.messages, which + " cannot be applied: " + error.what() + kNobodyCan};
    } catch (const SqliteError& error) {
      if (!is_of_the_data(error)) throw;
      throw StoppedAt{absorbed_.messages, which + " cannot be applied: " + error.what() + kNobodyCan};
    }
    absorbed_.bytes += message.data.size();
    absorbed_.work += plan_.work(absorbed_.messages++);
    if (Clock::now() - begin >= time_max) break;
  }
}

void Absorption::apply(const PlannedMessage& planned) {
  if (planned.ignored) return ignore(planned);
  if (const HelloEntry* const hello = planned.hello()) return apply_hello(planned, *hello);
  if (const TrustEntry* const trust = planned.trust()) {
    file_.records.set_trust({trust->version, trust->keys});
    absorbed_.trust_changed = true;
    return;
  }
  if (const LeaveEntry* const leave = planned.leave()) return apply_leave(*planned.message, *leave);
  if (apply_check(planned)) return;
  apply_transactions(planned);
}

// Questions about the rows and the answers to them. True if it is one.
bool Absorption::apply_check(const PlannedMessage& planned) {
  const Message& message = *planned.message;
  if (const BarrierEntry* const barrier = planned.barrier()) {
    absorbed_.barrier = {*barrier, message.sequence};
    CheckRecords(file_.db).ask(message.sequence, message.time_ns, *barrier);
  } else if (const QuestionEntry* const question = planned.question()) {
    absorbed_.question = {*question, message.sequence};
    CheckRecords(file_.db).ask(message.sequence, message.time_ns, *question);
  } else if (const ProofEntry* const proof = planned.proof()) {
    CheckRecords(file_.db).answer(message.origin, message.time_ns, *proof);
  } else {
    return false;
  }
  return true;
}

void Absorption::ignore(const PlannedMessage& planned) {
  absorbed_.untrusted += planned.untrusted;
  absorbed_.not_entries += !planned.entry && !planned.untrusted;
  absorbed_.own_out_of_turn |= planned.out_of_turn && planned.message->origin == file_.records.identity().node;
}

void Absorption::apply_hello(const PlannedMessage& planned, const HelloEntry& hello) {
  Origin& origin = origins_[planned.message->origin];
  origin.incarnation = planned.entry->incarnation;
  origin.host = hello.host;
  origin.path = hello.path;
  origin.version = hello.version;
  origin.sequence = planned.message->sequence;
  COLONY_STEP("applier.hello_absorbed");
}

void Absorption::apply_leave(const Message& message, const LeaveEntry& leave) {
  const auto leaver = origins_.find(leave.node);
  COLONY_ASSERT(leaver != origins_.end());
  const Origin& origin = leaver->second;
  const std::string removed_by = leave.node == message.origin ? "" : message.origin;
  file_.records.add_departure(leave.incarnation, {leave.node, origin.chunk, message.sequence, removed_by, origin.host,
                                                  origin.path, origin.version});
  // What of this file's outbox the log has taken stays taken.
  if (leave.incarnation == file_.records.identity().incarnation) file_.records.set_absorbed(origin.chunk);
  origins_.erase(leaver);
  CheckRecords(file_.db).forget(leave.node);
  COLONY_STEP("applier.leave_absorbed");
}

void Absorption::apply_transactions(const PlannedMessage& planned) {
  const Message& message = *planned.message;
  for (const PlannedTransaction& transaction : planned.transactions) {
    if (transaction.own) {
      rebase_.absorb_own(message.sequence, transaction.last);
      ++absorbed_.own;
      continue;
    }
    if (transaction.has_fragments) file_.records.remove_fragments(message.origin);
    rebase_.apply_foreign(message.sequence, message.origin, transaction.last, transaction.changeset, transaction.shape);
  }
  for (const PlannedFragment& part : planned.parts) {
    file_.records.add_fragment(message.origin, part.chunk, part.changeset);
    COLONY_STEP("applier.fragment_kept");
  }
  if (planned.accepted != ChunkNumber()) {
    origins_[message.origin].chunk = planned.accepted;
    origins_[message.origin].sequence = message.sequence;
  }
}

void Absorption::write_progress() {
  COLONY_ASSERT(absorbed_.messages > 0);
  const Message& last = *plan_.messages()[absorbed_.messages - 1].message;
  file_.records.set_position(last.sequence, message_hash(last.data), file_.log_bytes + absorbed_.bytes);
  write_chain();
  const Identity& self = file_.records.identity();
  for (const auto& [node, origin] : origins_) {
    const auto before = file_.origins.find(node);
    if (before != file_.origins.end() && before->second == origin) continue;
    file_.records.set_origin(node, origin);
    if (node == self.node && origin.incarnation == self.incarnation) file_.records.set_absorbed(origin.chunk);
  }
}

Absorbed Absorption::committed() {
  file_.position = plan_.messages()[absorbed_.messages - 1].message->sequence;
  file_.log_bytes += absorbed_.bytes;
  if (!absorbed_.places.empty()) file_.log_chain = absorbed_.places.back().chain;
  file_.origins = std::move(origins_);
  return std::move(absorbed_);
}

void Absorption::write_chain() {
  if (!file_.log_chain) return;
  std::uint64_t chain = *file_.log_chain;
  for (std::size_t i = 0; i < absorbed_.messages; ++i) {
    const Message& message = *plan_.messages()[i].message;
    chain = chained_hash(chain, message_hash(message.data));
    absorbed_.places.push_back({message.sequence, chain});
  }
  file_.records.set_log_chain(chain);
}

}  // namespace colony
