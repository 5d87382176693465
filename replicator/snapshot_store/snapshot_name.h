// The name of a snapshot in its store, which says all that is needed to choose one:
//
//   <cluster>.<position, 20 digits>.<made, UTC>.<node>.<log bytes>.<epoch>.zst
//   shop.00000000000000001234.20261121T040000Z.a.98765.0f3c…e1.zst
//
// Names of one colony sort by position.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "replicator/log/names.h"

namespace colony {

struct SnapshotName {
  std::string cluster;
  Sequence position;            // the rows are the fold of the log up to here
  std::int64_t made_s = 0;      // since 1970, by the clock of the node that made it
  std::string node;             // that made it
  std::uint64_t log_bytes = 0;  // of all messages up to `position`, since the log began
  std::string epoch;            // of that log

  std::string text() const;
  bool operator==(const SnapshotName&) const = default;
};

// Nothing if `text` is no such name.
std::optional<SnapshotName> parse_snapshot_name(std::string_view text);

// 2026-11-21T04:00:00Z
std::string utc_text(std::int64_t seconds_since_1970);

}  // namespace colony
