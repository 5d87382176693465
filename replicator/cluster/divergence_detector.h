// Whether this node has read the same log as the others.
//
// Everything rests on one order of entries, and the broker's servers could disagree
// about it: of nats-server 2.9 a leader that was cut off was seen to keep an entry in
// the place where the others agreed on another one, and to hand it out. Nodes that read
// from different servers then fold different logs, and no checksum of an entry tells.
//
// So each node chains the hashes of all messages up to its position, and puts position and
// chain into its heartbeat. A node that has read past that position compares the chain with
// its own. A node that agrees with fewer nodes, itself included, than it disagrees with
// halts before it absorbs or sends more; the others go on.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "replicator/log/names.h"

namespace colony {

// Where a node is in the log, and the chained hash of all messages up to there.
struct ChainedPosition {
  Sequence position;
  std::uint64_t chain = 0;
};

class DivergenceDetector {
 public:
  // The file is there, and what was read before is void. Without a chain nothing is
  // compared: an older Colony has moved the file since the chain was written.
  void begin(Sequence position, std::optional<std::uint64_t> chain);

  // The message after the latest place was absorbed, and the file says so.
  void absorbed(const ChainedPosition& place);

  // What another node says of itself.
  void hear(const std::string& node, const ChainedPosition& place);
  // That node does not count any more.
  void forget(const std::string& node);

  // Throws Halt if this node's log is not that of the others.
  void check() const;

 private:
  void judge();

  struct Opinion {
    bool agrees;
    Sequence position;
  };

  mutable std::mutex mutex_;
  std::deque<ChainedPosition> places_;       // the latest, without gaps
  std::map<std::string, Opinion> opinions_;  // the latest of each node that could be compared
  std::string verdict_;                      // empty: all is well
};

}  // namespace colony
