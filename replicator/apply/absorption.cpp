#include "replicator/apply/absorption.h"

#include "replicator/compare/checks.h"
#include "sqlite_ext/crash_step.h"
#include "sqlite_ext/schema_change.h"

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
    : file_(file), plan_(plan), rebase_(rebase) {}

void Absorption::apply(Clock::duration time_max) {
  const Clock::time_point begin = Clock::now();
  for (std::size_t i = 0; i < plan_.messages().size(); ++i) {
    const Message& message = *plan_.messages()[i].message;
    const std::string which = "entry " + std::to_string(message.sequence.value()) + " of node " + message.origin;
    try {
      apply(i);
    } catch (const SchemaMismatch& mismatch) {
      throw StoppedAt{i, which + " " + mismatch.what() + ": " + mismatch.advice()};
    } catch (const ChangesetError& error) {
      throw StoppedAt{i, which + " cannot be applied: " + error.what() + kNobodyCan};
    } catch (const SqliteError& error) {
      if (!is_of_the_data(error)) throw;
      throw StoppedAt{i, which + " cannot be applied: " + error.what() + kNobodyCan};
    }
    absorbed_.bytes += message.data.size();
    absorbed_.work += plan_.work(i);
    ++absorbed_.messages;
    if (Clock::now() - begin >= time_max) break;
  }
}

void Absorption::apply(std::size_t message) {
  const PlannedMessage& planned = plan_.messages()[message];
  if (planned.ignored) return ignore(planned);
  if (const HelloEntry* const hello = planned.hello()) return apply_hello(planned, *hello);
  if (const TrustEntry* const trust = planned.trust()) {
    changes_.trust = Trust{trust->version, trust->keys};
    file_.records.set_trust(*changes_.trust);
    absorbed_.trust_changed = true;
    return;
  }
  if (const LeaveEntry* const leave = planned.leave()) return apply_leave(*planned.message, *leave);
  if (apply_check(planned)) return;
  apply_transactions(planned, plan_.changesets(message));
}

// As of what was applied.
const Origin& Absorption::origin(const std::string& node) {
  const auto changed = changes_.origins.find(node);
  if (changed == changes_.origins.end()) return file_.log_state.origins.at(node);
  COLONY_ASSERT(changed->second.has_value());
  return *changed->second;
}

Origin& Absorption::change_origin(const std::string& node) {
  const auto [at, is_new] = changes_.origins.try_emplace(node);
  if (is_new) {
    const auto before = file_.log_state.origins.find(node);
    if (before != file_.log_state.origins.end()) at->second = before->second;
  }
  if (!at->second) at->second.emplace();
  return *at->second;
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
  Origin& origin = change_origin(planned.message->origin);
  origin.incarnation = planned.entry->incarnation;
  origin.host = hello.host;
  origin.path = hello.path;
  origin.version = hello.version;
  origin.sequence = planned.message->sequence;
  COLONY_STEP("applier.hello_absorbed");
}

void Absorption::apply_leave(const Message& message, const LeaveEntry& leave) {
  const Origin& origin = this->origin(leave.node);
  const std::string removed_by = leave.node == message.origin ? "" : message.origin;
  file_.records.add_departure(leave.incarnation, {leave.node, origin.chunk, message.sequence, removed_by, origin.host,
                                                  origin.path, origin.version});
  // What of this file's outbox the log has taken stays taken.
  if (leave.incarnation == file_.records.identity().incarnation) file_.records.set_absorbed(origin.chunk);
  changes_.origins[leave.node].reset();
  changes_.unfinished[leave.node] = false;
  changes_.departed.push_back(leave.incarnation);
  CheckRecords(file_.db).forget(leave.node);
  COLONY_STEP("applier.leave_absorbed");
}

void Absorption::apply_transactions(const PlannedMessage& planned, const std::vector<ChangesetView>& changesets) {
  const Message& message = *planned.message;
  for (std::size_t i = 0; i < planned.transactions.size(); ++i) {
    const PlannedTransaction& transaction = planned.transactions[i];
    if (transaction.own) {
      rebase_.absorb_own(message.sequence, transaction.last);
      ++absorbed_.own;
      continue;
    }
    if (!transaction.is_in_one_chunk()) {
      file_.records.remove_fragments(message.origin);
      changes_.unfinished[message.origin] = false;
    }
    if (plan_.matched() && begins_with_schema(changesets[i].bytes)) {
      rebase_.apply_foreign_matched(message.sequence, message.origin, transaction.last, changesets[i],
                                    transaction.shape, *plan_.matched());
      continue;
    }
    rebase_.apply_foreign(message.sequence, message.origin, transaction.last, changesets[i], transaction.shape);
  }
  for (const PlannedFragment& fragment : planned.fragments) {
    file_.records.add_fragment(message.origin, fragment.chunk, fragment.changeset);
    changes_.unfinished[message.origin] = true;
    COLONY_STEP("applier.fragment_kept");
  }
  if (planned.accepted != ChunkNumber()) {
    Origin& origin = change_origin(message.origin);
    origin.chunk = planned.accepted;
    origin.sequence = message.sequence;
  }
}

void Absorption::write_progress() {
  COLONY_ASSERT(absorbed_.messages > 0);
  const Message& last = *plan_.messages()[absorbed_.messages - 1].message;
  file_.records.set_position(last.sequence, message_hash(last.data), file_.log_state.bytes + absorbed_.bytes);
  write_chain();
  const Identity& self = file_.records.identity();
  for (const auto& [node, origin] : changes_.origins) {
    if (!origin) continue;
    file_.records.set_origin(node, *origin);
    if (node == self.node && origin->incarnation == self.incarnation) file_.records.set_absorbed(origin->chunk);
  }
}

Absorbed Absorption::committed() {
  LogState& state = file_.log_state;
  state.position = plan_.messages()[absorbed_.messages - 1].message->sequence;
  state.bytes += absorbed_.bytes;
  if (!absorbed_.places.empty()) state.chain = absorbed_.places.back().chain;
  changes_.apply_to(state);
  return std::move(absorbed_);
}

void Absorption::write_chain() {
  if (!file_.log_state.chain) return;
  std::uint64_t chain = *file_.log_state.chain;
  for (std::size_t i = 0; i < absorbed_.messages; ++i) {
    const Message& message = *plan_.messages()[i].message;
    chain = chained_hash(chain, message_hash(message.data));
    absorbed_.places.push_back({message.sequence, chain});
  }
  file_.records.set_log_chain(chain);
}

}  // namespace colony
