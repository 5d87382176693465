#include "replicator/node/recovery_decision.h"

#include <algorithm>

namespace colony {
namespace {

using Reports = std::vector<const RecoveryReport*>;

bool dominates(const RecoveryReport& one, const Reports& all) {
  return std::all_of(all.begin(), all.end(),
                     [&](const RecoveryReport* other) { return surplus(other->marks, one.marks).empty(); });
}

std::vector<std::string> unheard(const std::vector<RecoveryReport>& reports, const Marks& live,
                                 const std::set<std::string>& without) {
  std::vector<std::string> nodes;
  Marks members = members_by(reports);
  members.insert(live.begin(), live.end());
  for (const auto& [incarnation, mark] : members) {
    const auto is_it = [which = incarnation](const RecoveryReport& report) { return report.incarnation == which; };
    const bool heard = std::any_of(reports.begin(), reports.end(), is_it);
    if (!heard && !without.contains(mark.node)) nodes.push_back(mark.node);
  }
  std::sort(nodes.begin(), nodes.end());
  return nodes;
}

RecoveryDecision forked(const RecoveryReport& first, const RecoveryReport& second) {
  return {RecoveryDecision::Kind::kForked,
          {first.node, second.node},
          surplus(first.marks, second.marks),
          surplus(second.marks, first.marks)};
}

// There is such a pair whenever nobody dominates: whom nobody exceeds dominates all
// that it can be compared with.
RecoveryDecision find_fork(const Reports& all) {
  for (const RecoveryReport* one : all) {
    for (const RecoveryReport* other : all) {
      if (!surplus(one->marks, other->marks).empty() && !surplus(other->marks, one->marks).empty()) {
        return forked(*one, *other);
      }
    }
  }
  COLONY_ASSERT(!"no two nodes are incomparable, and yet none has the most");
  return {};
}

}  // namespace

Marks members_by(const std::vector<RecoveryReport>& reports) {
  Marks members;
  for (const RecoveryReport& report : reports) {
    for (const auto& [incarnation, mark] : report.marks) {
      Mark& member = members[incarnation];
      member.node = mark.node;
      member.has_left |= mark.has_left;
    }
  }
  std::erase_if(members, [](const auto& member) { return member.second.has_left; });
  return members;
}

RecoveryDecision decide_recovery(const std::vector<RecoveryReport>& reports, const Marks& live,
                                 const std::set<std::string>& without, const std::string& anew) {
  if (std::vector<std::string> missing = unheard(reports, live, without); !missing.empty()) {
    return {RecoveryDecision::Kind::kUnheard, std::move(missing), {}, {}};
  }
  Reports all;
  for (const RecoveryReport& report : reports) {
    if (!without.contains(report.node)) all.push_back(&report);
  }
  const RecoveryReport& here = reports.front();
  const auto found = [&](const RecoveryReport& report) {
    const bool is_here = report.incarnation == here.incarnation;
    return RecoveryDecision{
        is_here ? RecoveryDecision::Kind::kHere : RecoveryDecision::Kind::kElsewhere, {report.node}, {}, {}};
  };
  for (const RecoveryReport* report : all) {
    if (!anew.empty() && report->epoch == anew) return found(*report);
  }
  // This node comes first, and needs nobody else to be run there.
  for (const RecoveryReport* report : all) {
    if (dominates(*report, all)) return found(*report);
  }
  return find_fork(all);
}

bool follows(const RecoveryReport& node, const RecoveryReport& other) {
  const std::vector<std::string>& former = other.former_epochs;
  return std::find(former.begin(), former.end(), node.epoch) != former.end() &&
         surplus(node.marks, other.marks).empty();
}

std::string trouble_with_log(const RecoveryReport& report, const LogInfo& log,
                             const std::optional<std::uint64_t>& hash_there) {
  if (report.epoch.empty()) return "";
  if (report.epoch != log.epoch) return "is another one";
  if (report.position > log.last) {
    return "ends at " + std::to_string(log.last.value()) + ", before position " +
           std::to_string(report.position.value());
  }
  if (hash_there && report.position != Sequence() && *hash_there != report.position_hash) {
    return "has another entry at position " + std::to_string(report.position.value());
  }
  return "";
}

}  // namespace colony
