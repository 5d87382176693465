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
//
// A row is of a write only if it has all of what was written, to the last byte; what no
// write can have made is corrupt, whether or not anything is lost by it.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/load/generator/content.h"
#include "tests/load/generator/workload.h"

namespace load {

// What a node holds: each shared value, and the objects that were added.
struct NodeRows {
  std::vector<Content> values;       // by key
  std::vector<AddedObject> objects;  // ascending
  std::vector<std::string> corrupt;  // names of objects that are not as anybody adds them, ascending
};

struct Verdict {
  std::uint64_t acknowledged = 0;  // writes that were answered with success
  std::uint64_t unknown = 0;       // sent, and never answered
  std::uint64_t present = 0;       // acknowledged, and on all nodes
  std::uint64_t overwritten = 0;   // acknowledged, and overwritten later, on all nodes
  std::uint64_t lost = 0;          // acknowledged, and neither
  std::uint64_t differing = 0;     // rows that are not the same on all nodes
  std::uint64_t corrupt = 0;       // rows on a node that no write can have made
  std::vector<std::string> examples;

  bool is_good() const { return lost == 0 && differing == 0 && corrupt == 0; }
};

class Ledger {
 public:
  // Tokens begin after `before_first`, which must be larger than those of former runs
  // on the same rows. `value_bytes`: of what this run writes.
  Ledger(std::uint32_t keys, std::uint32_t value_bytes, std::uint64_t before_first)
      : value_bytes_(value_bytes), before_first_(before_first), latest_(keys) {}

  // Gives the write's token.
  std::uint64_t sent(Operation operation, std::uint32_t key, std::uint8_t node, std::int64_t now_ns);
  void acknowledged(std::uint64_t token, std::int64_t now_ns);
  void refused(std::uint64_t token);
  // Otherwise its outcome is unknown.

  // The newest write of a shared value that has been acknowledged by now.
  std::uint64_t latest(std::uint32_t key) const { return latest_[key]; }

  // Whether that can be the value of the key by now: it was there before the run, or
  // some write of the run has set it and was not refused.
  bool is_given(std::uint32_t key, const Content& content) const;

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

  struct Judgement;

  const Record* record_of(std::uint64_t token) const;
  bool is_given(const AddedObject& object) const;
  void compare(const std::vector<NodeRows>& nodes, Judgement& judgement) const;
  void find_corrupt(const NodeRows& rows, std::size_t node, Judgement& judgement) const;
  bool must_be_before(const Record& earlier, const Record& later, const std::vector<bool>& was_gone,
                      std::int64_t order_ns) const;

  const std::uint32_t value_bytes_;
  const std::uint64_t before_first_;
  std::vector<Record> records_;  // by token
  std::vector<std::uint64_t> latest_;
};

}  // namespace load
