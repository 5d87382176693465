// When a snapshot is due, and how far the log may be cut: decisions, without
// anything that does them.
//
// The log is cut only at positions of snapshots, so that every snapshot that is
// kept can be replayed to any later position; and of the good ones the newest
// `snapshots_keep` always are, so that one may turn out damaged. Clocks decide
// here, and only here: what is kept for how long is no part of any fold.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "replicator/snapshot_store/snapshot_name.h"

namespace colony {

struct RetentionSettings {
  std::uint64_t snapshot_after_bytes = 256u << 20;  // of log since the newest snapshot
  std::int64_t snapshot_after_s = 24 * 3600;        // if anything was written since
  std::uint64_t log_keep_bytes = 1u << 30;
  std::int64_t log_keep_s = 7 * 24 * 3600;
  std::uint64_t log_keep_entries = 10'000'000;
  std::size_t snapshots_keep = 2;
};

// What the broker has of the log.
struct LogExtent {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::int64_t oldest_s = 0;  // when the oldest entry was taken, since 1970
};

// Where a node's file stands.
struct LogPlace {
  Sequence position;
  std::uint64_t log_bytes = 0;  // up to there, since the log began
  Sequence changed = position;  // the last entry up to there that was more than a check of the rows
};

// `newest`: the newest snapshot of the same log, if there is any.
bool is_snapshot_due(const RetentionSettings& settings, const std::optional<SnapshotName>& newest, LogPlace here,
                     std::int64_t now_s);

struct RetentionPlan {
  Sequence cut_to;                       // entries before here can go; 0: none
  std::vector<SnapshotName> obsolete;    // snapshots before it, of no more use
  std::vector<std::string> held_by;      // live nodes that keep it from being cut further
  std::vector<std::string> left_behind;  // nodes that will need a snapshot, after the cut
};

// A member as far as it is known.
struct MemberPlace {
  Sequence position;
  bool gone = false;  // not seen for so long that it holds back nothing
};

// `snapshots`: good ones of this log, by position. `here` is near the log's head.
RetentionPlan plan_retention(const RetentionSettings& settings, const LogExtent& log,
                             const std::vector<SnapshotName>& snapshots, LogPlace here,
                             const std::map<std::string, MemberPlace>& members, std::int64_t now_s);

// Those of `former`, snapshots of the logs before this one, that can go: they are
// older than the log is kept, and this log has as many of its own as are kept.
std::vector<SnapshotName> outdated_snapshots(const RetentionSettings& settings, const std::vector<SnapshotName>& former,
                                             std::size_t of_this_log, std::int64_t now_s);

}  // namespace colony
