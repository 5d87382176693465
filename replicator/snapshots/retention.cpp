#include "replicator/snapshots/retention.h"

#include <algorithm>

namespace colony {
namespace {

// Whether the log from this snapshot on is within all limits.
bool is_within_limits(const RetentionSettings& settings, const SnapshotName& snapshot, LogPlace here,
                      std::int64_t now_s) {
  if (snapshot.position >= here.position) return true;
  return here.log_bytes - snapshot.log_bytes <= settings.log_keep_bytes &&
         here.position.value() - snapshot.position.value() <= settings.log_keep_entries &&
         now_s - snapshot.made_s <= settings.log_keep_s;
}

}  // namespace

bool is_snapshot_due(const RetentionSettings& settings, const std::optional<SnapshotName>& newest, LogPlace here,
                     std::int64_t now_s) {
  if (here.position == Sequence()) return false;
  if (!newest) return true;
  if (here.position <= newest->position) return false;
  if (here.log_bytes - newest->log_bytes >= settings.snapshot_after_bytes) return true;
  return here.changed > newest->position && now_s - newest->made_s >= settings.snapshot_after_s;
}

RetentionPlan plan_retention(const RetentionSettings& settings, const LogExtent& log,
                             const std::vector<SnapshotName>& snapshots, LogPlace here,
                             const std::map<std::string, MemberPlace>& members, std::int64_t now_s) {
  RetentionPlan plan;
  const std::size_t keep = std::max<std::size_t>(settings.snapshots_keep, 1);
  const bool exceeds = log.bytes > settings.log_keep_bytes || log.entries > settings.log_keep_entries ||
                       (log.entries > 0 && now_s - log.oldest_s > settings.log_keep_s);
  if (!exceeds || snapshots.size() < keep) return plan;

  // No more than the limits ask for, and never what must stay.
  std::size_t wanted = 0;
  while (wanted < snapshots.size() - keep && !is_within_limits(settings, snapshots[wanted], here, now_s)) ++wanted;
  Sequence slowest = snapshots[wanted].position;
  for (const auto& [node, member] : members) {
    if (member.gone || member.position >= snapshots[wanted].position) continue;
    plan.held_by.push_back(node);
    slowest = std::min(slowest, member.position);
  }
  if (snapshots.front().position > slowest) return plan;
  std::size_t kept = 0;
  while (kept < wanted && snapshots[kept + 1].position <= slowest) ++kept;

  plan.cut_to = snapshots[kept].position;
  plan.obsolete.assign(snapshots.begin(), snapshots.begin() + static_cast<std::ptrdiff_t>(kept));
  for (const auto& [node, member] : members) {
    if (member.gone && member.position < plan.cut_to) plan.left_behind.push_back(node);
  }
  return plan;
}

std::vector<SnapshotName> outdated_snapshots(const RetentionSettings& settings, const std::vector<SnapshotName>& former,
                                             std::size_t of_this_log, std::int64_t now_s) {
  std::vector<SnapshotName> outdated;
  if (of_this_log < std::max<std::size_t>(settings.snapshots_keep, 1)) return outdated;
  for (const SnapshotName& snapshot : former) {
    if (now_s - snapshot.made_s > settings.log_keep_s) outdated.push_back(snapshot);
  }
  return outdated;
}

}  // namespace colony
