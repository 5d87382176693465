// Compares what is in a node's file with what the reference model says, and nodes
// with each other. Every check gives an empty string, or what differs.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/node.h"
#include "tests/sim/reference_log.h"

namespace colony::sim {

class Judge {
 public:
  Judge(const Schema& schema, ReferenceLog& reference, const MemoryLog& log)
      : schema_(schema), reference_(reference), log_(log) {}

  // The main invariant: rows = fold(log up to position) + pending.
  std::string check_rows(Node& node);
  // The conflict journal, settled lines and those of pending transactions.
  std::string check_journal(Node& node, std::int64_t conflicts_max);
  // What a snapshot has: the fold of the log up to its position, and nobody's rest.
  std::string check_snapshot(Database& snapshot);
  // At rest: nothing pending, nothing in parts, all of the log absorbed.
  std::string check_rest(Node& node);
  // Two nodes at the same position with nothing pending: all columns of all
  // tables, and every line of the journal, bit for bit.
  std::string check_equal(Node& a, Node& b) const;
  std::string check_integrity(Node& node) const;

  static DatabaseRows rows_of(Database& db, const Schema& schema);
  static Sequence position_of(Database& db);

 private:
  struct Pending {
    std::uint64_t last;
    std::string changeset;
  };
  static std::vector<Pending> pending_of(Database& db);

  const Schema& schema_;
  ReferenceLog& reference_;
  const MemoryLog& log_;
};

// Rows that only one of the two has, as text; empty if there are none.
std::string difference(const DatabaseRows& expected, const DatabaseRows& found, const std::string& expected_name,
                       const std::string& found_name);

}  // namespace colony::sim
