#include "replicator/node/recovery_place.h"

#include <chrono>
#include <map>
#include <thread>

#include "replicator/log/error.h"
#include "replicator/node/enrollment.h"
#include "replicator/node/status.h"

namespace colony {
namespace {

constexpr auto kBeatWithin = kBeatEvery + std::chrono::seconds(3);
constexpr std::chrono::milliseconds kLook{250};

// Where others look for snapshots that are live, and who is the first of them there.
std::map<std::string, std::string> other_places(const Beats& beats, const std::string& self) {
  std::map<std::string, std::string> places;
  for (const Beat& beat : beats.beats) {
    if (beat.node != self && !beat.snapshots.empty() && is_live(beat, beats)) places.emplace(beat.snapshots, beat.node);
  }
  return places;
}

}  // namespace

std::string colony_snapshots(const std::string& path, Board& board) {
  Database db = open_database(path, Database::Mode::kReadOnly);
  const Identity self = NodeFile(db).identity();
  Beats beats = read_beats(board);
  const auto own = [&] { return beats.of(self.node, self.incarnation); };
  // The board may have been lost with the log.
  const auto end = std::chrono::steady_clock::now() + kBeatWithin;
  while (Status::of(path) && own() == nullptr && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(kLook);
    beats = read_beats(board);
  }
  if (Status::of(path) && own() != nullptr && !own()->snapshots.empty()) return own()->snapshots;
  const auto places = other_places(beats, self.node);
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
