// How many of each origin's transactions a file has absorbed.
//
// A chunk number of an incarnation names the same content for ever, in whatever log it
// came. So files can be compared even if they have read different logs: the one with the
// higher number has all that the one with the lower number has.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "replicator/store/node_file.h"

namespace colony {

struct VersionVectorEntry {
  std::string node;
  ChunkNumber chunk;      // the last that was absorbed
  bool has_left = false;  // and that it has left the colony
  bool operator==(const VersionVectorEntry&) const = default;
};

using VersionVector = std::map<Incarnation, VersionVectorEntry>;

// Where a file's marks have the version of the colony's keys, if it has any: what one
// file knows of whom to trust must not be forgotten either. It is no node's: its name is
// empty, and it counts as one that has left.
inline constexpr Incarnation kKeysEntry{};

VersionVector version_vector_of(NodeFile& file);

// What one file has beyond another, of one origin.
struct VersionVectorDifference {
  std::string node;
  std::uint64_t chunks = 0;  // so many more
  bool leave = false;        // and its leave
};

// By name; empty if `other` has absorbed all that `marks` has.
std::vector<VersionVectorDifference> version_vector_difference(const VersionVector& version_vector,
                                                               const VersionVector& other);

// "3 of node a, the leave of node b": chunks, one for each transaction of usual size.
std::string shown(const std::vector<VersionVectorDifference>& difference);

}  // namespace colony
