// Every write of a run and what became of it; and at the end, whether each node has
// what was acknowledged.
//
// When is a write lost? An object that was added must be there: nobody touches it
// again. A shared value may have been overwritten, and what counts is the order of
// the log, which the run does not see. It is known, though, that of two writes the
// later is later in the log if it was sent after the earlier was answered, and
//   - both were on one node, or
//   - so much time lay between them that the earlier one was in the log already:
//     more than `order_ns`, and its node was never gone during the run.
// So a value is lost if the row is of a write that must have been before it.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/load/generator/workload.h"

namespace load {

// What a node holds: the token of each shared value, and whose objects there are.
struct NodeRows {
  std::vector<std::uint64_t> values;   // by key; ~0: missing
  std::vector<std::uint64_t> objects;  // tokens, ascending
};

struct Verdict {
  std::uint64_t acknowledged = 0;  // writes that were answered with success
  std::uint64_t unknown = 0;       // sent, and never answered
  std::uint64_t present = 0;       // acknowledged, and on all nodes
  std::uint64_t overwritten = 0;   // acknowledged, and overwritten later, on all nodes
  std::uint64_t lost = 0;          // acknowledged, and neither
  std::uint64_t differing = 0;     // rows that are not the same on all nodes
  std::vector<std::string> examples;

  bool is_good() const { return lost == 0 && differing == 0; }
};

class Ledger {
 public:
  // Tokens begin after `before_first`, which must be larger than those of former runs
  // on the same rows.
  Ledger(std::uint32_t keys, std::uint64_t before_first) : before_first_(before_first), latest_(keys) {}

  // Gives the write's token.
  std::uint64_t sent(Operation operation, std::uint32_t key, std::uint8_t node, std::int64_t now_ns);
  void acknowledged(std::uint64_t token, std::int64_t now_ns);
  void refused(std::uint64_t token);
  // Otherwise its outcome is unknown.

  // The newest write of a shared value that has been acknowledged by now.
  std::uint64_t latest(std::uint32_t key) const { return latest_[key]; }

  // `was_gone` says of each node whether it was ever away.
  Verdict judge(const std::vector<NodeRows>& nodes, const std::vector<bool>& was_gone, std::int64_t order_ns) const;

 private:
  enum class State : std::uint8_t { kUnknown, kAcknowledged, kRefused };
  struct Record {
    std::int64_t sent_ns, answered_ns;
    std::uint32_t key;
    std::uint8_t node;
    Operation operation;
    State state;
  };

  const Record* record_of(std::uint64_t token) const;
  bool must_be_before(const Record& earlier, const Record& later, const std::vector<bool>& was_gone,
                      std::int64_t order_ns) const;

  const std::uint64_t before_first_;
  std::vector<Record> records_;  // by token
  std::vector<std::uint64_t> latest_;
};

}  // namespace load
