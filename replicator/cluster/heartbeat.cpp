#include "replicator/cluster/heartbeat.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>

#include "replicator/fold/json.h"
#include "replicator/status/status.h"
#include "replicator/store/sqlite.h"

namespace colony {
namespace {

constexpr std::string_view kNodeKey = "node.";
constexpr auto kLiveWithin = 6 * kHeartbeatEvery;

std::uint64_t from_hexadecimal(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number, 16);
  return number;
}

Sequence sequence(const Statement& row, int column) {
  return Sequence(static_cast<std::uint64_t>(row.integer(column)));
}

std::string json_of(const VersionVector& version_vector) {
  std::vector<std::string> list;
  for (const auto& [incarnation, entry] : version_vector) {
    JsonObject json;
    json.add("node", entry.node).add("incarnation", fmt::format("{:016x}", incarnation.value()));
    json.add("piece", entry.chunk.value()).add("left", entry.has_left);
    list.push_back(json.text());
  }
  return json_array(list);
}

std::string json_of(const Heartbeat& heartbeat) {
  JsonObject json;
  json.add("node", heartbeat.node).add("incarnation", fmt::format("{:016x}", heartbeat.incarnation.value()));
  json.add("position", heartbeat.position.value())
      .add("log_head", heartbeat.log_head.value())
      .add("pending", heartbeat.pending);
  if (heartbeat.log_chain) json.add("log_chain", fmt::format("{:016x}", *heartbeat.log_chain));
  json.add("state", heartbeat.state).add("version", heartbeat.version);
  json.add("host", heartbeat.home.host).add("path", heartbeat.home.path).add("error", heartbeat.error);
  json.add("snapshots", heartbeat.snapshots);
  json.add("gone_after_s", static_cast<std::int64_t>(heartbeat.gone_after.count()));
  json.add("epoch", heartbeat.epoch).add("position_hash", fmt::format("{:016x}", heartbeat.position_hash));
  std::vector<std::string> former;
  for (const std::string& epoch : heartbeat.former_epochs) former.push_back(json_string(epoch));
  json.add_raw("former_epochs", json_array(former));
  json.add("held_by", heartbeat.held_by).add_raw("marks", json_of(heartbeat.version_vector));
  return json.text();
}

VersionVector marks_in(Database& reader, std::string_view heartbeat) {
  VersionVector version_vector;
  Statement each(reader,
                 "SELECT json_extract(value, '$.node'), json_extract(value, '$.incarnation'), "
                 "json_extract(value, '$.piece'), json_extract(value, '$.left') FROM json_each(?1, '$.marks')");
  each.bind(1, heartbeat);
  while (each.step()) {
    version_vector[Incarnation(from_hexadecimal(each.text(1)))] = {
        std::string(each.text(0)), ChunkNumber(static_cast<std::uint64_t>(each.integer(2))), each.integer(3) != 0};
  }
  return version_vector;
}

}  // namespace

const Heartbeat* Heartbeats::of(const std::string& node, Incarnation incarnation) const {
  const auto found = std::find_if(heartbeats.begin(), heartbeats.end(), [&](const Heartbeat& heartbeat) {
    return heartbeat.node == node && heartbeat.incarnation == incarnation;
  });
  return found == heartbeats.end() ? nullptr : &*found;
}

void put_heartbeat(ClusterStatus& cluster_status, const Heartbeat& heartbeat) {
  cluster_status.put(std::string(kNodeKey) + heartbeat.node, json_of(heartbeat));
}

Heartbeats read_heartbeats(ClusterStatus& cluster_status) {
  Heartbeats found;
  // SQLite reads JSON.
  Database reader(":memory:", Database::Mode::kReadWrite);
  Statement valid(reader, "SELECT json_valid(?1)");
  Statement members(
      reader,
      "SELECT json_extract(?1, '$.node'), json_extract(?1, '$.incarnation'), "
      "json_extract(?1, '$.position'), json_extract(?1, '$.log_head'), json_extract(?1, '$.pending'), "
      "json_extract(?1, '$.state'), json_extract(?1, '$.version'), json_extract(?1, '$.host'), "
      "json_extract(?1, '$.path'), json_extract(?1, '$.error'), "
      "json_extract(?1, '$.gone_after_s'), json_extract(?1, '$.epoch'), "
      "json_extract(?1, '$.position_hash'), json_extract(?1, '$.held_by'), json_extract(?1, '$.log_chain'), "
      "json_extract(?1, '$.snapshots')");
  for (const ClusterStatusEntry& entry : cluster_status.entries()) {
    found.newest_ns = std::max(found.newest_ns, entry.written_ns);
    if (!std::string_view(entry.key).starts_with(kNodeKey)) continue;
    valid.reset();
    valid.bind(1, entry.text);
    if (!valid.step() || valid.integer(0) == 0) continue;
    members.reset();
    members.bind(1, entry.text);
    if (!members.step() || members.text(0) != std::string_view(entry.key).substr(kNodeKey.size())) continue;
    Heartbeat& heartbeat = found.heartbeats.emplace_back();
    heartbeat.node = members.text(0);
    heartbeat.incarnation = Incarnation(from_hexadecimal(members.text(1)));
    heartbeat.position = sequence(members, 2);
    heartbeat.log_head = sequence(members, 3);
    heartbeat.pending = members.integer(4);
    heartbeat.state = members.text(5);
    heartbeat.version = members.text(6);
    heartbeat.home = {std::string(members.text(7)), std::string(members.text(8))};
    heartbeat.error = members.text(9);
    if (members.integer(10) > 0) heartbeat.gone_after = std::chrono::seconds(members.integer(10));
    heartbeat.epoch = members.text(11);
    heartbeat.position_hash = from_hexadecimal(members.text(12));
    heartbeat.held_by = members.text(13);
    heartbeat.version_vector = marks_in(reader, entry.text);
    Statement former(reader, "SELECT value FROM json_each(?1, '$.former_epochs')");
    former.bind(1, entry.text);
    while (former.step()) heartbeat.former_epochs.emplace_back(former.text(0));
    if (!members.text(14).empty()) heartbeat.log_chain = from_hexadecimal(members.text(14));
    heartbeat.snapshots = members.text(15);
    heartbeat.written_ns = entry.written_ns;
  }
  std::sort(found.heartbeats.begin(), found.heartbeats.end(),
            [](const Heartbeat& a, const Heartbeat& b) { return a.node < b.node; });
  return found;
}

bool is_live(const Heartbeat& heartbeat, const Heartbeats& heartbeats) {
  return heartbeat.state != to_string(State::kStopped) &&
         age(heartbeat.written_ns, heartbeats.newest_ns, {}) < kLiveWithin;
}

std::chrono::seconds age(std::int64_t written_ns, std::int64_t newest_ns, std::chrono::system_clock::time_point now) {
  const std::int64_t local_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
  const std::int64_t ago_ns = std::max(newest_ns, local_ns) - written_ns;
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::nanoseconds(std::max<std::int64_t>(ago_ns, 0)));
}

}  // namespace colony
