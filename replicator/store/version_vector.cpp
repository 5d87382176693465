#include "replicator/store/version_vector.h"

#include <algorithm>

namespace colony {

VersionVector version_vector_of(NodeFile& file) {
  VersionVector version_vector;
  for (const auto& [node, origin] : file.origins()) version_vector[origin.incarnation] = {node, origin.chunk, false};
  for (const auto& [incarnation, left] : file.departures()) version_vector[incarnation] = {left.node, left.chunk, true};
  if (const std::uint64_t version = file.trust().version; version > 0) {
    version_vector[kKeysEntry] = {"", ChunkNumber(version), true};
  }
  return version_vector;
}

// That somebody has said hello is no content: whose hello is lost says it again.
std::vector<VersionVectorDifference> version_vector_difference(const VersionVector& version_vector,
                                                               const VersionVector& other) {
  std::vector<VersionVectorDifference> found;
  for (const auto& [incarnation, entry] : version_vector) {
    const auto counterpart = other.find(incarnation);
    const VersionVectorEntry theirs = counterpart == other.end() ? VersionVectorEntry{} : counterpart->second;
    VersionVectorDifference more{entry.node, 0, incarnation != kKeysEntry && entry.has_left && !theirs.has_left};
    if (entry.chunk > theirs.chunk) more.chunks = entry.chunk.value() - theirs.chunk.value();
    if (more.chunks > 0 || more.leave) found.push_back(more);
  }
  std::sort(found.begin(), found.end(),
            [](const VersionVectorDifference& a, const VersionVectorDifference& b) { return a.node < b.node; });
  return found;
}

std::string shown(const std::vector<VersionVectorDifference>& difference) {
  std::string text;
  const auto add = [&](const std::string& what) { text += (text.empty() ? "" : ", ") + what; };
  for (const VersionVectorDifference& more : difference) {
    if (more.node.empty()) {
      add(std::to_string(more.chunks) + " of the changes to the keys");
      continue;
    }
    if (more.chunks > 0) add(std::to_string(more.chunks) + " of node " + more.node);
    if (more.leave) add("the leave of node " + more.node);
  }
  return text;
}

}  // namespace colony
