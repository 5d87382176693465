// How much of everybody's transactions a file has absorbed.
//
// A piece number of an incarnation names one content for ever, whatever log it came
// by. So marks of files can be compared even where the logs that they were read from
// have nothing in common: what has the higher mark has all that the lower one has.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "replicator/store/node_file.h"

namespace colony {

struct Mark {
  std::string node;
  PieceNumber piece;      // the last that was absorbed
  bool has_left = false;  // and that it has left the colony
  bool operator==(const Mark&) const = default;
};

using Marks = std::map<Incarnation, Mark>;

// Where a file's marks have the version of the colony's keys, if it has any: what one
// file knows of whom to trust must not be forgotten either. It is no node's: its name is
// empty, and it counts as one that has left.
inline constexpr Incarnation kKeysMark{};

Marks marks_of(NodeFile& file);

// What one file has beyond another, of one origin.
struct Surplus {
  std::string node;
  std::uint64_t pieces = 0;  // so many more
  bool leave = false;        // and its leave
};

// By name; empty if `other` has absorbed all that `marks` has.
std::vector<Surplus> surplus(const Marks& marks, const Marks& other);

// "3 of node a, the leave of node b": pieces, one for each transaction of usual size.
std::string shown(const std::vector<Surplus>& surplus);

}  // namespace colony
