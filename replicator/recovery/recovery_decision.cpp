#include "replicator/recovery/recovery_decision.h"

#include <algorithm>

namespace colony {
namespace {

using Reports = std::vector<const RecoveryReport*>;

bool dominates(const RecoveryReport& one, const Reports& all) {
  return std::all_of(all.begin(), all.end(), [&](const RecoveryReport* other) {
    return version_vector_difference(other->version_vector, one.version_vector).empty();
  });
}

std::vector<std::string> unheard(const std::vector<RecoveryReport>& reports, const VersionVector& live,
                                 const std::set<std::string>& without) {
  std::vector<std::string> nodes;
  VersionVector members = members_by(reports);
  members.insert(live.begin(), live.end());
  for (const auto& [incarnation, entry] : members) {
    const auto is_it = [which = incarnation](const RecoveryReport& report) { return report.incarnation == which; };
    const bool heard = std::any_of(reports.begin(), reports.end(), is_it);
    if (!heard && !without.contains(entry.node)) nodes.push_back(entry.node);
  }
  std::sort(nodes.begin(), nodes.end());
  return nodes;
}

RecoveryDecision forked(const RecoveryReport& first, const RecoveryReport& second) {
  return {RecoveryDecision::Kind::kForked,
          {first.node, second.node},
          version_vector_difference(first.version_vector, second.version_vector),
          version_vector_difference(second.version_vector, first.version_vector)};
}

// There is such a pair whenever nobody dominates: whom nobody exceeds dominates all
// that it can be compared with.
RecoveryDecision find_fork(const Reports& all) {
  for (const RecoveryReport* one : all) {
    for (const RecoveryReport* other : all) {
      if (!version_vector_difference(one->version_vector, other->version_vector).empty() &&
          !version_vector_difference(other->version_vector, one->version_vector).empty()) {
        return forked(*one, *other);
      }
    }
  }
  COLONY_ASSERT(!"no two nodes are incomparable, and yet none has the most");
  return {};
}

}  // namespace

VersionVector members_by(const std::vector<RecoveryReport>& reports) {
  VersionVector members;
  for (const RecoveryReport& report : reports) {
    for (const auto& [incarnation, entry] : report.version_vector) {
      VersionVectorEntry& member = members[incarnation];
      member.node = entry.node;
      member.has_left |= entry.has_left;
    }
  }
  std::erase_if(members, [](const auto& member) { return member.second.has_left; });
  return members;
}

RecoveryDecision decide_recovery(const std::vector<RecoveryReport>& reports, const VersionVector& live,
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
         version_vector_difference(node.version_vector, other.version_vector).empty();
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
