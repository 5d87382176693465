#include "replicator/store/marks.h"

#include <algorithm>

namespace colony {

Marks marks_of(NodeFile& file) {
  Marks marks;
  for (const auto& [node, origin] : file.origins()) marks[origin.incarnation] = {node, origin.piece, false};
  for (const auto& [incarnation, left] : file.departures()) marks[incarnation] = {left.node, left.piece, true};
  if (const std::uint64_t version = file.trust().version; version > 0) {
    marks[kKeysMark] = {"", PieceNumber(version), true};
  }
  return marks;
}

// That somebody has said hello is no content: whose hello is lost says it again.
std::vector<Surplus> surplus(const Marks& marks, const Marks& other) {
  std::vector<Surplus> found;
  for (const auto& [incarnation, mark] : marks) {
    const auto counterpart = other.find(incarnation);
    const Mark theirs = counterpart == other.end() ? Mark{} : counterpart->second;
    Surplus more{mark.node, 0, incarnation != kKeysMark && mark.has_left && !theirs.has_left};
    if (mark.piece > theirs.piece) more.pieces = mark.piece.value() - theirs.piece.value();
    if (more.pieces > 0 || more.leave) found.push_back(more);
  }
  std::sort(found.begin(), found.end(), [](const Surplus& a, const Surplus& b) { return a.node < b.node; });
  return found;
}

std::string shown(const std::vector<Surplus>& surplus) {
  std::string text;
  const auto add = [&](const std::string& what) { text += (text.empty() ? "" : ", ") + what; };
  for (const Surplus& more : surplus) {
    if (more.node.empty()) {
      add(std::to_string(more.pieces) + " of the changes to the keys");
      continue;
    }
    if (more.pieces > 0) add(std::to_string(more.pieces) + " of node " + more.node);
    if (more.leave) add("the leave of node " + more.node);
  }
  return text;
}

}  // namespace colony
