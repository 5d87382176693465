// What a sidecar writes about its node to the cluster status, every few seconds. It is for
// people and housekeeping; the fold never uses it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "replicator/broker/cluster_status.h"
#include "replicator/log/names.h"
#include "replicator/store/version_vector.h"

namespace colony {

inline constexpr std::chrono::seconds kHeartbeatEvery{5};
inline constexpr std::chrono::hours kGoneAfter{7 * 24};  // unless it is set otherwise

// What stands for the state of a node that runs and has other rows than the others.
inline constexpr const char* kDiffers = "differs";

struct Heartbeat {
  std::string node;
  Incarnation incarnation;
  Sequence position;
  std::optional<std::uint64_t> log_chain;  // NodeFile's
  Sequence log_head;                       // as far as the node knew
  std::int64_t pending = 0;
  std::string state;  // as `colony status` shows it
  std::string version;
  std::string capture;  // its capture mode; empty of a version that had none
  Home home;
  std::string error;                            // why it has halted, or in what it differs; else empty
  std::chrono::seconds gone_after{kGoneAfter};  // its setting
  std::string snapshots;                        // where it keeps them: snapshot_place()
  // For `colony recover`. Of one moment, like the position.
  std::string epoch;  // of the log that it has met last
  std::vector<std::string> former_epochs;
  std::uint64_t position_hash = 0;
  VersionVector version_vector;
  std::string held_by;          // the run of it before which the node has halted; else empty
  std::int64_t written_ns = 0;  // by the broker's clock, since 1970
};

struct Heartbeats {
  std::vector<Heartbeat> heartbeats;  // by node; what could not be read is left out
  std::int64_t newest_ns = 0;         // the newest time in the cluster status: the broker's clock was at least there

  // The heartbeat of that life of that node; null if it has not been seen.
  const Heartbeat* of(const std::string& node, Incarnation incarnation) const;
};

// As JSON; docs/formats.md has the members.
std::string encode_heartbeat(const Heartbeat& heartbeat);
// Nothing if it is no heartbeat of that node. A member that is missing, or of another kind, is
// empty: other versions of Colony write there too. Never throws but std::bad_alloc.
std::optional<Heartbeat> decode_heartbeat(const std::string& text, std::string_view node);

// Errors: the cluster status's.
void put_heartbeat(ClusterStatus& cluster_status, const Heartbeat& heartbeat);
Heartbeats read_heartbeats(ClusterStatus& cluster_status);

// Whether its sidecar runs, and has written a heartbeat within half a minute.
bool is_live(const Heartbeat& heartbeat, const Heartbeats& heartbeats);

// How long ago a time was: by the newest one in the cluster status or this machine's
// clock, whichever is later.
std::chrono::seconds age(std::int64_t written_ns, std::int64_t newest_ns, std::chrono::system_clock::time_point now);

}  // namespace colony
