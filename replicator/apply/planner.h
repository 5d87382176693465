// What the messages of a batch mean for this file, decided before any row is
// touched.
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
#pragma once

#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "replicator/log/entry.h"
#include "replicator/log/log.h"
#include "replicator/log/trust.h"
#include "replicator/log/verified_entries.h"
#include "replicator/store/node_file.h"

namespace colony {

struct PlannedTransaction {
  ChunkNumber last;
  std::uint64_t shape = 0;
  bool own = false;            // of this file's outbox, still pending
  bool has_fragments = false;  // its beginning is kept in the file
  ChangesetView changeset;     // of somebody else's; whole
};

struct PlannedFragment {
  ChunkNumber chunk;
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
  std::vector<PlannedFragment> parts;  // of a transaction whose end is yet to come
  std::list<Spill> assembled;          // what changesets of several chunks point into, wherever this moves

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
  // `origins` as the file has them, `verified` what is known of signatures; all must
  // outlive the planner.
  Planner(NodeFile& file, const std::map<std::string, Origin>& origins, const VerifiedEntries& verified);

  // The messages in order, one call each; they must outlive the planner and what it
  // planned of those before. Throws Halt for an entry that must not
  // be ignored and cannot be read, and when somebody else speaks as this node.
  PlannedMessage plan(const Message& message);

 private:
  struct OriginState {
    Incarnation incarnation;
    ChunkNumber chunk;
    Sequence sequence;  // of the last entry that counted
  };

  bool admits(const Message& message, const Envelope& envelope) const;
  void plan_entry(PlannedMessage& planned, const Envelope& envelope);
  bool plan_hello(const PlannedMessage& planned, const Envelope& envelope);
  bool plan_trust(const TrustEntry& entry, const Envelope& envelope);
  bool plan_leave(const LeaveEntry& leave);
  void plan_transactions(PlannedMessage& planned, OriginState& state);
  bool is_in_outbox(const Message& message, ChunkNumber number, const Chunk& chunk);

  // A transaction that an origin has begun and not ended.
  struct Open {
    bool in_file = false;                 // its first parts
    std::vector<std::string_view> parts;  // the later ones, of messages planned here

    bool begun() const { return in_file || !parts.empty(); }
  };

  Open& open(const std::string& origin);
  Spill take_open(const std::string& origin);

  NodeFile& file_;
  const VerifiedEntries& verified_;
  const LogName log_;
  Trust trust_;
  std::map<std::string, OriginState> origins_;
  std::set<Incarnation> left_;        // in what was planned; the file has those before
  std::map<std::string, Open> open_;  // of the origins whose chunks were planned
};

}  // namespace colony
