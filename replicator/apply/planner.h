// What the messages of a batch mean for a file, decided on values before any row is
// touched: no file, no clock, no connection.
//
// The rules by which an entry counts are a function of the log alone, so that
// all nodes decide alike:
//  - once the colony trusts keys, an entry that its origin's key has not signed for
//    this log is ignored, of whatever kind it is;
//  - a trust entry counts if it is the next version; the first one, if the key that it
//    gives its origin has signed it;
//  - a hello counts if nobody has its origin's name yet, or the same incarnation
//    has it;
//  - where keys are trusted, a hello counts only if nothing of its origin has counted
//    since the origin wrote it: an old one that a stranger sends again says where a
//    node no longer is;
//  - a leave counts if the node that it names is of that incarnation still: its name
//    is then free, and its unfinished transaction is dropped;
//  - a hello of an incarnation that has left is ignored, for ever: it is a late
//    duplicate, or of a file that does not know yet;
//  - an entry of an incarnation that holds no name is ignored;
//  - a chunk counts if it is the next one of its origin; one at or below the
//    origin's high-water mark is a duplicate, and an entry that begins beyond the
//    next one is out of turn: both are ignored.
//
// What the caller owes it:
//  1. a LogState, and the outbox's last chunk, both of one moment of the file;
//  2. every message after the state's position, in order;
//  3. to see that the outbox has what is planned as this file's own (own_chunks.h);
//  4. to put transactions of several chunks together (planned_changesets.h).
// Its tests are transcripts: messages in, decisions out.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "replicator/apply/log_state.h"
#include "replicator/log/entry.h"
#include "replicator/log/log.h"
#include "replicator/log/verified_entries.h"

namespace colony {

struct PlannedTransaction {
  ChunkNumber last;
  std::uint64_t shape = 0;
  bool own = false;  // of this file's outbox, still pending; the rest is then empty
  // Its changeset, in order: what the file keeps of it, the chunks of messages planned
  // before or of this one, and the last chunk.
  bool begins_in_file = false;
  std::vector<std::string_view> beginning;
  std::string_view end;

  bool is_in_one_chunk() const { return !begins_in_file && beginning.empty(); }
};

struct PlannedFragment {
  ChunkNumber chunk;
  std::string_view changeset;
};

// A chunk that the log has taken of this file's outbox.
struct OwnChunk {
  ChunkNumber number;
  bool last = false;
  std::string_view changeset;
};

struct PlannedMessage {
  const Message* message = nullptr;
  std::optional<Entry> entry;  // nothing: not an entry of this colony
  bool ignored = false;
  bool untrusted = false;    // ignored, since its origin's key has not signed it
  bool out_of_turn = false;  // ignored, and its origin must send again
  ChunkNumber accepted;      // the origin's new high-water mark, if it has chunks that count
  std::vector<PlannedTransaction> transactions;
  std::vector<PlannedFragment> fragments;  // of a transaction whose end is yet to come
  std::vector<OwnChunk> own_chunks;        // the outbox must have exactly these

  const HelloEntry* hello() const { return entry && !ignored ? std::get_if<HelloEntry>(&entry->body) : nullptr; }
  const BarrierEntry* barrier() const { return entry && !ignored ? std::get_if<BarrierEntry>(&entry->body) : nullptr; }
  const ProofEntry* proof() const { return entry && !ignored ? std::get_if<ProofEntry>(&entry->body) : nullptr; }
  const QuestionEntry* question() const {
    return entry && !ignored ? std::get_if<QuestionEntry>(&entry->body) : nullptr;
  }
  const TrustEntry* trust() const { return entry && !ignored ? std::get_if<TrustEntry>(&entry->body) : nullptr; }
  const LeaveEntry* leave() const { return entry && !ignored ? std::get_if<LeaveEntry>(&entry->body) : nullptr; }
};

class Planner {
 public:
  // For the file of `self`, whose outbox ends with the chunk `outbox_end`. `verified` is
  // what is known of signatures. All but the number must outlive the planner; it costs
  // nothing to make one, however many nodes there are.
  Planner(const LogState& state, const Identity& self, ChunkNumber outbox_end, const VerifiedEntries& verified);

  // The messages in order, one call each. They and what was planned must outlive what is
  // planned later: views point there. Throws Halt for an entry that must not be ignored
  // and cannot be read.
  PlannedMessage plan(const Message& message);

 private:
  // What is known of an origin after what was planned.
  struct OriginState {
    Incarnation incarnation;
    ChunkNumber chunk;
    Sequence sequence;  // of the last entry that counted
    // Of the transaction that it has begun and not ended:
    bool begins_in_file = false;
    std::vector<std::string_view> beginning;
  };

  const Trust& trust() const { return new_trust_ ? *new_trust_ : state_.trust; }
  OriginState* find(const std::string& origin);
  bool admits(const Message& message, const Envelope& envelope) const;
  void plan_entry(PlannedMessage& planned, const Envelope& envelope);
  bool plan_hello(const PlannedMessage& planned, const Envelope& envelope);
  bool plan_trust(const TrustEntry& entry, const Envelope& envelope);
  bool plan_leave(const LeaveEntry& leave);
  void plan_transactions(PlannedMessage& planned, OriginState& origin);
  void plan_chunk(PlannedMessage& planned, OriginState& origin, ChunkNumber number, const Chunk& chunk);
  bool is_own(const Entry& entry, ChunkNumber number) const;

  const LogState& state_;
  const Identity& self_;
  const ChunkNumber outbox_end_;
  const VerifiedEntries& verified_;
  const LogName log_;
  // What was planned has changed so much of `state_`:
  std::optional<Trust> new_trust_;
  std::map<std::string, std::optional<OriginState>> origins_;  // nothing: it has left
  std::set<Incarnation> departed_;
};

}  // namespace colony
