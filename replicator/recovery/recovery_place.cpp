#include "replicator/recovery/recovery_place.h"

#include <chrono>
#include <map>
#include <thread>

#include "replicator/log/error.h"
#include "replicator/membership/enrollment.h"
#include "replicator/status/status.h"

namespace colony {
namespace {

constexpr auto kHeartbeatWithin = kHeartbeatEvery + std::chrono::seconds(3);
constexpr std::chrono::milliseconds kLook{250};

// Where others look for snapshots that are live, and who is the first of them there.
std::map<std::string, std::string> other_places(const Heartbeats& heartbeats, const std::string& self) {
  std::map<std::string, std::string> places;
  for (const Heartbeat& heartbeat : heartbeats.heartbeats) {
    if (heartbeat.node != self && !heartbeat.snapshots.empty() && is_live(heartbeat, heartbeats))
      places.emplace(heartbeat.snapshots, heartbeat.node);
  }
  return places;
}

}  // namespace

std::string colony_snapshots(const std::string& path, ClusterStatus& cluster_status) {
  Database db = open_database(path, Database::Mode::kReadOnly);
  const Identity self = NodeFile(db).identity();
  Heartbeats heartbeats = read_heartbeats(cluster_status);
  const auto own = [&] { return heartbeats.of(self.node, self.incarnation); };
  // The cluster status may have been lost with the log.
  const auto end = std::chrono::steady_clock::now() + kHeartbeatWithin;
  while (Status::of(path) && own() == nullptr && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(kLook);
    heartbeats = read_heartbeats(cluster_status);
  }
  if (Status::of(path) && own() != nullptr && !own()->snapshots.empty()) return own()->snapshots;
  const auto places = other_places(heartbeats, self.node);
  if (places.size() > 1) {
    std::string text;
    for (const auto& [place, node] : places) text += (text.empty() ? "node " : ", node ") + node + " in " + place;
    throw Error("nodes look for snapshots in several places: " + text + ": say with --snapshots which it is");
  }
  return places.empty() ? "" : places.begin()->first;
}

void check_place(const RecoveryView& view, const std::string& path, const std::string& place) {
  const RecoveryNode& here = view.nodes.front();
  if (!here.snapshots.empty() && here.snapshots != place) {
    throw Error("the sidecar of node " + here.report.node + " looks for snapshots in " + here.snapshots +
                " (--snapshots), and not in " + place + ": leave the flag and COLONY_SNAPSHOTS out, or start the " +
                "sidecars again with that place");
  }
  if (!here.snapshots.empty()) return;
  std::string elsewhere;
  for (const RecoveryNode& node : view.nodes) {
    if (node.snapshots == place) return;
    if (elsewhere.empty() && !node.is_left_out && !node.snapshots.empty()) {
      elsewhere = "node " + node.report.node + " looks for snapshots in " + node.snapshots;
    }
  }
  if (elsewhere.empty()) return;
  throw Error(elsewhere + " (--snapshots), and no node in " + place + ": give its place, or start the sidecar of " +
              path + " with the right one");
}

}  // namespace colony
