// From which node's file a colony goes on when its log has forgotten, or that this
// cannot be decided: a decision, without anything that does it.
//
// What counts is what the files have absorbed (VersionVector), not positions: positions of a
// log that was rewound and written to again name other entries than before. A node
// whose marks are nowhere below another's has every transaction that any of them has
// absorbed, and so every one that has left its origin's outbox; all others are in
// their outboxes still. A new log that begins with that node's file loses nothing.
// Where two nodes have each absorbed what the other has not, there is no such node.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "replicator/log/log.h"
#include "replicator/store/version_vector.h"

namespace colony {

// A node as it was when nothing could be absorbed any more.
struct RecoveryReport {
  std::string node;
  Incarnation incarnation;
  std::string epoch;  // of the log that it has met last; empty if none
  Sequence position;
  std::uint64_t position_hash = 0;
  VersionVector version_vector;
  Home home;
  std::vector<std::string> former_epochs = {};
};

struct RecoveryDecision {
  enum class Kind {
    kHere,       // go on from this node's file
    kElsewhere,  // from the file of `nodes.front()`
    kUnheard,    // `nodes` have to be heard first
    kForked,     // `nodes`, two, have each absorbed what the other has not
  };
  Kind kind = Kind::kHere;
  std::vector<std::string> nodes;
  // kForked: what the first has beyond the second, and the second beyond the first.
  std::vector<VersionVectorDifference> first_more, second_more;
};

// Those that must be heard: whoever one of the reports knows and none has seen leave.
VersionVector members_by(const std::vector<RecoveryReport>& reports);

// `reports`: of all that were heard, this node's first. `live`: who has been seen
// just now, and must be heard too, though perhaps nobody else knows it yet.
// `without`: names that need not be heard, and need not be dominated. `anew`: the
// epoch of a recovery that was interrupted; a node whose file has moved to it already
// must be the one.
RecoveryDecision decide_recovery(const std::vector<RecoveryReport>& reports, const VersionVector& live,
                                 const std::set<std::string>& without, const std::string& anew);

// Whether `node` will take the log of `other` by itself, which has come after its own.
bool follows(const RecoveryReport& node, const RecoveryReport& other);

// Why the log is not the one that the node remembers; empty if it is. `hash_there`:
// of the log's entry at the node's position, if it has one.
std::string trouble_with_log(const RecoveryReport& report, const LogInfo& log,
                             const std::optional<std::uint64_t>& hash_there);

}  // namespace colony
