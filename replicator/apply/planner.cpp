#include "replicator/apply/planner.h"

#include <utility>

#include "replicator/log/error.h"

namespace colony {

Planner::Planner(NodeFile& file, const std::map<std::string, Origin>& origins, const VerifiedEntries& verified)
    : file_(file), verified_(verified), log_{file.identity().cluster, file.epoch()}, trust_(file.trust()) {
  for (const auto& [node, origin] : origins) origins_[node] = {origin.incarnation, origin.chunk, origin.sequence};
}

// Who wrote it is asked before what it says is looked at.
PlannedMessage Planner::plan(const Message& message) {
  PlannedMessage planned;
  planned.message = &message;
  const std::optional<Envelope> envelope = open_envelope(message.data, message.origin);
  if (envelope && !admits(message, *envelope)) {
    planned.ignored = planned.untrusted = true;
    return planned;
  }
  if (envelope) planned.entry = decode(message.data, message.origin);
  if (!planned.entry) {
    planned.ignored = true;
    return planned;
  }
  plan_entry(planned, *envelope);
  return planned;
}

bool Planner::admits(const Message& message, const Envelope& envelope) const {
  if (!trust_.is_in_force()) return true;
  const auto key = trust_.keys.find(message.origin);
  if (key == trust_.keys.end()) return false;
  const std::optional<bool> genuine = verified_.is_genuine(message.sequence, key->second);
  return genuine ? *genuine : trust_.vouches_for(envelope, log_);
}

void Planner::plan_entry(PlannedMessage& planned, const Envelope& envelope) {
  const Entry& entry = *planned.entry;
  const auto known = origins_.find(entry.origin);
  if (std::holds_alternative<HelloEntry>(entry.body)) {
    planned.ignored = !plan_hello(planned, envelope);
  } else if (known == origins_.end() || known->second.incarnation != entry.incarnation) {
    planned.ignored = true;
  } else if (std::holds_alternative<TransactionsEntry>(entry.body)) {
    plan_transactions(planned, known->second);
  } else if (const auto* leave = std::get_if<LeaveEntry>(&entry.body)) {
    planned.ignored = !plan_leave(*leave);
  } else if (const auto* trust = std::get_if<TrustEntry>(&entry.body)) {
    planned.ignored = !plan_trust(*trust, envelope);
  }
}

// Whether it counts.
bool Planner::plan_hello(const PlannedMessage& planned, const Envelope& envelope) {
  const Entry& entry = *planned.entry;
  if (left_.contains(entry.incarnation) || file_.has_left(entry.incarnation)) return false;
  const auto [holder, is_new] =
      origins_.try_emplace(entry.origin, OriginState{entry.incarnation, ChunkNumber(), Sequence()});
  if (holder->second.incarnation != entry.incarnation) return false;
  if (trust_.is_in_force() && envelope.seen < holder->second.sequence) return false;
  holder->second.sequence = planned.message->sequence;
  return true;
}

bool Planner::plan_trust(const TrustEntry& entry, const Envelope& envelope) {
  if (entry.version != trust_.version + 1) return false;
  Trust next{entry.version, entry.keys};
  // Whoever begins must hold the key that it is to be known by.
  if (!trust_.is_in_force() && !next.vouches_for(envelope, log_)) return false;
  trust_ = std::move(next);
  return true;
}

bool Planner::plan_leave(const LeaveEntry& leave) {
  const auto holder = origins_.find(leave.node);
  if (holder == origins_.end() || holder->second.incarnation != leave.incarnation) return false;
  origins_.erase(holder);
  open_[leave.node] = Open{};  // its parts are still in the file, and are not to be found there
  left_.insert(leave.incarnation);
  return true;
}

void Planner::plan_transactions(PlannedMessage& planned, OriginState& state) {
  const auto& entry = std::get<TransactionsEntry>(planned.entry->body);
  const std::string& origin = planned.entry->origin;
  if (entry.first > state.chunk.next()) {
    planned.ignored = planned.out_of_turn = true;
    return;
  }
  // Once this node has left, another life may have its name.
  const bool is_this_node =
      origin == file_.identity().node && planned.entry->incarnation == file_.identity().incarnation;
  ChunkNumber number = entry.first;
  for (const Chunk& chunk : entry.chunks) {
    const ChunkNumber here = number;
    number = number.next();
    if (here <= state.chunk) continue;  // a duplicate
    state.chunk = planned.accepted = here;
    if (is_this_node && is_in_outbox(*planned.message, here, chunk)) {
      if (chunk.last) planned.transactions.push_back({here, chunk.shape, true, false, {}});
      continue;
    }
    if (!chunk.last) {
      open(origin).parts.push_back(chunk.changeset);
      planned.parts.push_back({here, chunk.changeset});
    } else if (!open(origin).begun()) {
      planned.transactions.push_back({here, chunk.shape, false, false, chunk.changeset});
    } else {
      planned.assembled.push_back(take_open(origin));
      planned.assembled.back().append(chunk.changeset);
      planned.transactions.push_back({here, chunk.shape, false, true, planned.assembled.back()});
      planned.parts.clear();  // those of this entry are in it
    }
  }
  if (planned.accepted == ChunkNumber()) {
    planned.ignored = true;
  } else {
    state.sequence = planned.message->sequence;
  }
}

Planner::Open& Planner::open(const std::string& origin) {
  const auto [at, fresh] = open_.try_emplace(origin);
  if (fresh) at->second.in_file = file_.has_fragments(origin);
  return at->second;
}

// What an origin has begun, put together.
Spill Planner::take_open(const std::string& origin) {
  Open begun = std::exchange(open(origin), {});
  Spill whole = begun.in_file ? file_.parts(origin) : Spill(file_.spill());
  for (const std::string_view part : begun.parts) whole.append(part);
  return whole;
}

// Whether a chunk of this node that the log has is what the outbox has under that
// number. A file that was put back to an earlier state has forgotten chunks that
// the log has: those are applied as if they were somebody else's.
bool Planner::is_in_outbox(const Message& message, ChunkNumber number, const Chunk& chunk) {
  const std::optional<OutboxChunk> waiting = file_.outbox_chunk(number);
  if (waiting && waiting->changeset == chunk.changeset && waiting->last == chunk.last) return true;
  if (!waiting && number > file_.outbox_end()) return false;
  throw Halt(
      "entry " + std::to_string(message.sequence.value()) + " of the log has a transaction number " +
      std::to_string(number.value()) + " of node " + file_.identity().node +
      " that differs from this file's own: this file is a copy of, or an older backup of, a file that has written "
      "since. Stop this sidecar and give the file a name of its own: colony init DB --cluster " +
      file_.identity().cluster + " --node NEW --keep-pending");
}

}  // namespace colony
