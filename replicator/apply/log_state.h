// What a file has absorbed of the log, as a value: on this, and on the messages that
// come next, it is decided which entries count (planner.h).
//
// All of it is a function of the log up to `position`. Whoever keeps one loads it with
// the file and updates it with every round that is committed, so that nobody has to ask
// the file about each message, nor about each node that has ever left.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "replicator/log/trust.h"
#include "replicator/store/node_records.h"

namespace colony {

struct LogState {
  Sequence position;
  std::uint64_t bytes = 0;             // of all messages up to there
  std::optional<std::uint64_t> chain;  // of their hashes, if it is known
  std::string epoch;                   // empty before the first contact with a log
  std::map<std::string, Origin> origins;
  std::set<std::string> unfinished;  // those of the origins of whose latest transaction the file keeps a beginning
  std::set<Incarnation> departed;
  Trust trust;

  bool operator==(const LogState&) const = default;

  // Whether anybody's hello was ever absorbed.
  bool has_met_colony() const { return !origins.empty() || !departed.empty(); }
};

// What further messages change of one.
struct LogStateChanges {
  std::map<std::string, std::optional<Origin>> origins;  // nothing: it has left
  std::map<std::string, bool> unfinished;                // whether it is now
  std::vector<Incarnation> departed;
  std::optional<Trust> trust;

  void apply_to(LogState& state) const;
};

}  // namespace colony
