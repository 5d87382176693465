#include "tests/sim/reference_log.h"

#include <algorithm>

#include "replicator/log/entry.h"

namespace colony::sim {

bool ReferenceLog::is_forged(const Envelope& envelope) const {
  if (trust_version_ == 0) return false;
  const auto key = trusted_.find(envelope.origin);
  if (key == trusted_.end() || envelope.version < 2) return true;
  return !key->second.verifies(signed_text(kSimulatedLog, envelope.content), envelope.signature);
}

std::string ReferenceLog::judge_trust(const TrustEntry& trust, const Envelope& envelope) {
  if (trust.version != trust_version_ + 1) return "trust of another time";
  if (trust_version_ == 0) {
    const auto own = trust.keys.find(envelope.origin);
    if (own == trust.keys.end() || envelope.version < 2) return "trust of one who is not in it";
    if (!own->second.verifies(signed_text(kSimulatedLog, envelope.content), envelope.signature)) return "forged trust";
  }
  trust_version_ = trust.version;
  trusted_ = trust.keys;
  return "trust " + std::to_string(trust.version);
}

std::string ReferenceLog::judge_hello(const Entry& entry, const Envelope& envelope, std::uint64_t sequence) {
  if (left_.count(entry.incarnation.value()) != 0) return "hello of one who has left";
  const auto known = origins_.find(entry.origin);
  if (known != origins_.end()) {
    if (known->second.incarnation != entry.incarnation.value()) return "hello of a stranger";
    if (trust_version_ > 0 && envelope.seen.value() < known->second.sequence) return "hello of long ago";
    known->second.sequence = sequence;
    return "hello again";
  }
  origins_[entry.origin].incarnation = entry.incarnation.value();
  origins_[entry.origin].sequence = sequence;
  return "hello";
}

// Whoever sent it is a member.
std::string ReferenceLog::judge_leave(const LeaveEntry& leave) {
  const auto leaver = origins_.find(leave.node);
  if (leaver == origins_.end() || leaver->second.incarnation != leave.incarnation.value()) return "leave of nobody";
  origins_.erase(leaver);
  left_.insert(leave.incarnation.value());
  return "leave of " + leave.node;
}

// Changes `rows` as the message says and tells what it was.
std::string ReferenceLog::judge(const Message& message, DatabaseRows& rows) {
  const std::optional<Envelope> envelope = open_envelope(message.data, message.origin);
  if (envelope && is_forged(*envelope)) return "forged";
  const std::optional<Entry> entry = decode(message.data, message.origin);
  if (!entry) return "no entry";
  const auto known = origins_.find(entry->origin);
  if (std::holds_alternative<HelloEntry>(entry->body)) return judge_hello(*entry, *envelope, message.sequence.value());
  if (known == origins_.end() || known->second.incarnation != entry->incarnation.value()) return "of a stranger";
  if (const auto* const leave = std::get_if<LeaveEntry>(&entry->body)) return judge_leave(*leave);
  if (const auto* const trust = std::get_if<TrustEntry>(&entry->body)) return judge_trust(*trust, *envelope);
  const auto* const transactions = std::get_if<TransactionsEntry>(&entry->body);
  if (transactions == nullptr) return "no transactions";

  Origin& origin = known->second;
  std::uint64_t chunk = transactions->first.value();
  if (chunk > origin.chunk + 1) return "out of turn";
  std::size_t counted = 0;
  for (const Chunk& slice : transactions->chunks) {
    if (chunk++ <= origin.chunk) continue;
    ++counted;
    ++origin.chunk;
    origin.open += slice.changeset;
    if (!slice.last) continue;
    for (ReferenceConflict& conflict : reference_fold(*schema_, rows, origin.open)) {
      journal_.push_back({message.sequence.value(), message.origin, origin.chunk, std::move(conflict)});
    }
    origin.open.clear();
  }
  if (counted > 0) origin.sequence = message.sequence.value();
  return counted == 0 ? "a duplicate" : std::to_string(counted) + " pieces up to " + std::to_string(origin.chunk);
}

void ReferenceLog::follow(const std::vector<Message>& messages) {
  while (states_.size() <= messages.size()) {
    const Message& message = messages[states_.size() - 1];
    State state = states_.back();
    verdicts_.push_back(judge(message, state.rows));
    state.journal_lines = journal_.size();
    state.has_open_fragments =
        std::any_of(origins_.begin(), origins_.end(), [](const auto& origin) { return !origin.second.open.empty(); });
    state.origins = origins_;
    state.left = left_;
    states_.push_back(std::move(state));
  }
}

void ReferenceLog::lose_after(Sequence last) {
  states_.resize(last.value() + 1);
  origins_ = states_.back().origins;
  left_ = states_.back().left;
  journal_.resize(states_.back().journal_lines);
}

void ReferenceLog::begin_anew(Sequence position, Sequence base) {
  lose_after(position);
  const State state = states_.back();
  states_.resize(base.value() + 1, state);
}

}  // namespace colony::sim
