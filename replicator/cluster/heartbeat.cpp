#include "replicator/cluster/heartbeat.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <type_traits>
#include <utility>

#include "replicator/fold/json.h"
#include "replicator/status/status.h"

namespace colony {
namespace {

constexpr std::string_view kNodeKey = "node.";
constexpr auto kLiveWithin = 6 * kHeartbeatEvery;

std::uint64_t from_hexadecimal(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number, 16);
  return number;
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

// What another version of Colony, or somebody else, has written need not have a member, or
// have it of this kind: it then counts as empty.
template <class T>
T member(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end()) return T();
  if constexpr (std::is_same_v<T, std::string>) {
    return found->is_string() ? found->get<std::string>() : T();
  } else if constexpr (std::is_same_v<T, bool>) {
    return found->is_boolean() && found->get<bool>();
  } else {
    return found->is_number_integer() ? found->get<T>() : T();
  }
}

nlohmann::json array(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_array() ? *found : nlohmann::json::array();
}

VersionVector version_vector_in(const nlohmann::json& json) {
  VersionVector version_vector;
  for (const nlohmann::json& entry : array(json, "marks")) {
    if (!entry.is_object()) continue;
    version_vector[Incarnation(from_hexadecimal(member<std::string>(entry, "incarnation")))] = {
        member<std::string>(entry, "node"), ChunkNumber(member<std::uint64_t>(entry, "piece")),
        member<bool>(entry, "left")};
  }
  return version_vector;
}

}  // namespace

std::string encode_heartbeat(const Heartbeat& heartbeat) {
  JsonObject json;
  json.add("node", heartbeat.node).add("incarnation", fmt::format("{:016x}", heartbeat.incarnation.value()));
  json.add("position", heartbeat.position.value())
      .add("log_head", heartbeat.log_head.value())
      .add("pending", heartbeat.pending);
  if (heartbeat.log_chain) json.add("log_chain", fmt::format("{:016x}", *heartbeat.log_chain));
  json.add("state", heartbeat.state).add("version", heartbeat.version).add("capture", heartbeat.capture);
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

std::optional<Heartbeat> decode_heartbeat(const std::string& text, std::string_view node) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object() || member<std::string>(json, "node") != node) return std::nullopt;
  Heartbeat heartbeat;
  heartbeat.node = node;
  heartbeat.incarnation = Incarnation(from_hexadecimal(member<std::string>(json, "incarnation")));
  heartbeat.position = Sequence(member<std::uint64_t>(json, "position"));
  heartbeat.log_head = Sequence(member<std::uint64_t>(json, "log_head"));
  heartbeat.pending = member<std::int64_t>(json, "pending");
  heartbeat.state = member<std::string>(json, "state");
  heartbeat.version = member<std::string>(json, "version");
  heartbeat.capture = member<std::string>(json, "capture");
  heartbeat.home = {member<std::string>(json, "host"), member<std::string>(json, "path")};
  heartbeat.error = member<std::string>(json, "error");
  if (const auto seconds = member<std::int64_t>(json, "gone_after_s"); seconds > 0) {
    heartbeat.gone_after = std::chrono::seconds(seconds);
  }
  heartbeat.epoch = member<std::string>(json, "epoch");
  heartbeat.position_hash = from_hexadecimal(member<std::string>(json, "position_hash"));
  heartbeat.held_by = member<std::string>(json, "held_by");
  heartbeat.version_vector = version_vector_in(json);
  for (const nlohmann::json& epoch : array(json, "former_epochs")) {
    if (epoch.is_string()) heartbeat.former_epochs.push_back(epoch.get<std::string>());
  }
  if (const auto chain = member<std::string>(json, "log_chain"); !chain.empty()) {
    heartbeat.log_chain = from_hexadecimal(chain);
  }
  heartbeat.snapshots = member<std::string>(json, "snapshots");
  return heartbeat;
}

const Heartbeat* Heartbeats::of(const std::string& node, Incarnation incarnation) const {
  const auto found = std::find_if(heartbeats.begin(), heartbeats.end(), [&](const Heartbeat& heartbeat) {
    return heartbeat.node == node && heartbeat.incarnation == incarnation;
  });
  return found == heartbeats.end() ? nullptr : &*found;
}

void put_heartbeat(ClusterStatus& cluster_status, const Heartbeat& heartbeat) {
  cluster_status.put(std::string(kNodeKey) + heartbeat.node, encode_heartbeat(heartbeat));
}

Heartbeats read_heartbeats(ClusterStatus& cluster_status) {
  Heartbeats found;
  for (const ClusterStatusEntry& entry : cluster_status.entries()) {
    found.newest_ns = std::max(found.newest_ns, entry.written_ns);
    if (!std::string_view(entry.key).starts_with(kNodeKey)) continue;
    std::optional<Heartbeat> heartbeat =
        decode_heartbeat(entry.text, std::string_view(entry.key).substr(kNodeKey.size()));
    if (!heartbeat) continue;
    heartbeat->written_ns = entry.written_ns;
    found.heartbeats.push_back(std::move(*heartbeat));
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
