#include "replicator/apply/planner.h"

#include <utility>

namespace colony {

Planner::Planner(const LogState& state, const Identity& self, ChunkNumber outbox_end, const VerifiedEntries& verified)
    : state_(state), self_(self), outbox_end_(outbox_end), verified_(verified), log_{self.cluster, state.epoch} {}

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
  if (!trust().is_in_force()) return true;
  const auto key = trust().keys.find(message.origin);
  if (key == trust().keys.end()) return false;
  const std::optional<bool> genuine = verified_.is_genuine(message.sequence, key->second);
  return genuine ? *genuine : trust().vouches_for(envelope, log_);
}

// Null if nobody has that name now.
Planner::OriginState* Planner::find(const std::string& origin) {
  auto at = origins_.find(origin);
  if (at == origins_.end()) {
    const auto known = state_.origins.find(origin);
    if (known == state_.origins.end()) return nullptr;
    const Origin& before = known->second;
    const bool is_unfinished = state_.unfinished.contains(origin);
    at = origins_.emplace(origin, OriginState{before.incarnation, before.chunk, before.sequence, is_unfinished, {}})
             .first;
  }
  return at->second ? &*at->second : nullptr;
}

void Planner::plan_entry(PlannedMessage& planned, const Envelope& envelope) {
  const Entry& entry = *planned.entry;
  if (std::holds_alternative<HelloEntry>(entry.body)) {
    planned.ignored = !plan_hello(planned, envelope);
    return;
  }
  OriginState* const origin = find(entry.origin);
  if (origin == nullptr || origin->incarnation != entry.incarnation) {
    planned.ignored = true;
  } else if (std::holds_alternative<TransactionsEntry>(entry.body)) {
    plan_transactions(planned, *origin);
  } else if (const auto* leave = std::get_if<LeaveEntry>(&entry.body)) {
    planned.ignored = !plan_leave(*leave);
  } else if (const auto* trust = std::get_if<TrustEntry>(&entry.body)) {
    planned.ignored = !plan_trust(*trust, envelope);
  }
}

// Whether it counts.
bool Planner::plan_hello(const PlannedMessage& planned, const Envelope& envelope) {
  const Entry& entry = *planned.entry;
  if (departed_.contains(entry.incarnation) || state_.departed.contains(entry.incarnation)) return false;
  OriginState* holder = find(entry.origin);
  if (holder == nullptr) holder = &origins_[entry.origin].emplace(OriginState{entry.incarnation, {}, {}, false, {}});
  if (holder->incarnation != entry.incarnation) return false;
  if (trust().is_in_force() && envelope.seen < holder->sequence) return false;
  holder->sequence = planned.message->sequence;
  return true;
}

bool Planner::plan_trust(const TrustEntry& entry, const Envelope& envelope) {
  if (entry.version != trust().version + 1) return false;
  Trust next{entry.version, entry.keys};
  // Whoever begins must hold the key that it is to be known by.
  if (!trust().is_in_force() && !next.vouches_for(envelope, log_)) return false;
  new_trust_ = std::move(next);
  return true;
}

bool Planner::plan_leave(const LeaveEntry& leave) {
  const OriginState* const holder = find(leave.node);
  if (holder == nullptr || holder->incarnation != leave.incarnation) return false;
  origins_[leave.node].reset();
  departed_.insert(leave.incarnation);
  return true;
}

void Planner::plan_transactions(PlannedMessage& planned, OriginState& origin) {
  const auto& entry = std::get<TransactionsEntry>(planned.entry->body);
  if (entry.first > origin.chunk.next()) {
    planned.ignored = planned.out_of_turn = true;
    return;
  }
  ChunkNumber number = entry.first;
  for (const Chunk& chunk : entry.chunks) {
    const bool is_duplicate = number <= origin.chunk;
    if (!is_duplicate) plan_chunk(planned, origin, number, chunk);
    number = number.next();
  }
  if (planned.accepted == ChunkNumber()) {
    planned.ignored = true;
  } else {
    origin.sequence = planned.message->sequence;
  }
}

void Planner::plan_chunk(PlannedMessage& planned, OriginState& origin, ChunkNumber number, const Chunk& chunk) {
  origin.chunk = planned.accepted = number;
  if (is_own(*planned.entry, number)) {
    planned.own_chunks.push_back({number, chunk.last, chunk.changeset});
    if (chunk.last) planned.transactions.push_back({number, chunk.shape, true, false, {}, {}});
  } else if (chunk.last) {
    planned.transactions.push_back({number, chunk.shape, false, std::exchange(origin.begins_in_file, false),
                                    std::exchange(origin.beginning, {}), chunk.changeset});
    planned.fragments.clear();  // those of this entry are in it
  } else {
    origin.beginning.push_back(chunk.changeset);
    planned.fragments.push_back({number, chunk.changeset});
  }
}

// A file that was put back to an earlier state has forgotten chunks that the log has:
// those are applied as if they were somebody else's. And once this node has left,
// another life may have its name.
bool Planner::is_own(const Entry& entry, ChunkNumber number) const {
  return entry.origin == self_.node && entry.incarnation == self_.incarnation && number <= outbox_end_;
}

}  // namespace colony
