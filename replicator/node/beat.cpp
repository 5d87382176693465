#include "replicator/node/beat.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>

#include "replicator/node/status.h"
#include "replicator/store/json.h"
#include "replicator/store/sqlite.h"

namespace colony {
namespace {

constexpr std::string_view kNodeKey = "node.";
constexpr auto kLiveWithin = 6 * kBeatEvery;

std::uint64_t from_hexadecimal(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number, 16);
  return number;
}

Sequence sequence(const Statement& row, int column) {
  return Sequence(static_cast<std::uint64_t>(row.integer(column)));
}

std::string json_of(const Marks& marks) {
  std::vector<std::string> list;
  for (const auto& [incarnation, mark] : marks) {
    JsonObject json;
    json.add("node", mark.node).add("incarnation", fmt::format("{:016x}", incarnation.value()));
    json.add("piece", mark.piece.value()).add("left", mark.has_left);
    list.push_back(json.text());
  }
  return json_array(list);
}

std::string json_of(const Beat& beat) {
  JsonObject json;
  json.add("node", beat.node).add("incarnation", fmt::format("{:016x}", beat.incarnation.value()));
  json.add("position", beat.position.value()).add("log_head", beat.log_head.value()).add("pending", beat.pending);
  if (beat.log_chain) json.add("log_chain", fmt::format("{:016x}", *beat.log_chain));
  json.add("state", beat.state).add("version", beat.version);
  json.add("host", beat.home.host).add("path", beat.home.path).add("error", beat.error);
  json.add("snapshots", beat.snapshots);
  json.add("gone_after_s", static_cast<std::int64_t>(beat.gone_after.count()));
  json.add("epoch", beat.epoch).add("position_hash", fmt::format("{:016x}", beat.position_hash));
  std::vector<std::string> former;
  for (const std::string& epoch : beat.former_epochs) former.push_back(json_string(epoch));
  json.add_raw("former_epochs", json_array(former));
  json.add("held_by", beat.held_by).add_raw("marks", json_of(beat.marks));
  return json.text();
}

Marks marks_in(Database& reader, std::string_view beat) {
  Marks marks;
  Statement each(reader,
                 "SELECT json_extract(value, '$.node'), json_extract(value, '$.incarnation'), "
                 "json_extract(value, '$.piece'), json_extract(value, '$.left') FROM json_each(?1, '$.marks')");
  each.bind(1, beat);
  while (each.step()) {
    marks[Incarnation(from_hexadecimal(each.text(1)))] = {
        std::string(each.text(0)), PieceNumber(static_cast<std::uint64_t>(each.integer(2))), each.integer(3) != 0};
  }
  return marks;
}

}  // namespace

const Beat* Beats::of(const std::string& node, Incarnation incarnation) const {
  const auto found = std::find_if(beats.begin(), beats.end(), [&](const Beat& beat) {
    return beat.node == node && beat.incarnation == incarnation;
  });
  return found == beats.end() ? nullptr : &*found;
}

void put_beat(Board& board, const Beat& beat) { board.put(std::string(kNodeKey) + beat.node, json_of(beat)); }

Beats read_beats(Board& board) {
  Beats found;
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
  for (const BoardEntry& entry : board.entries()) {
    found.newest_ns = std::max(found.newest_ns, entry.written_ns);
    if (!std::string_view(entry.key).starts_with(kNodeKey)) continue;
    valid.reset();
    valid.bind(1, entry.text);
    if (!valid.step() || valid.integer(0) == 0) continue;
    members.reset();
    members.bind(1, entry.text);
    if (!members.step() || members.text(0) != std::string_view(entry.key).substr(kNodeKey.size())) continue;
    Beat& beat = found.beats.emplace_back();
    beat.node = members.text(0);
    beat.incarnation = Incarnation(from_hexadecimal(members.text(1)));
    beat.position = sequence(members, 2);
    beat.log_head = sequence(members, 3);
    beat.pending = members.integer(4);
    beat.state = members.text(5);
    beat.version = members.text(6);
    beat.home = {std::string(members.text(7)), std::string(members.text(8))};
    beat.error = members.text(9);
    if (members.integer(10) > 0) beat.gone_after = std::chrono::seconds(members.integer(10));
    beat.epoch = members.text(11);
    beat.position_hash = from_hexadecimal(members.text(12));
    beat.held_by = members.text(13);
    beat.marks = marks_in(reader, entry.text);
    Statement former(reader, "SELECT value FROM json_each(?1, '$.former_epochs')");
    former.bind(1, entry.text);
    while (former.step()) beat.former_epochs.emplace_back(former.text(0));
    if (!members.text(14).empty()) beat.log_chain = from_hexadecimal(members.text(14));
    beat.snapshots = members.text(15);
    beat.written_ns = entry.written_ns;
  }
  std::sort(found.beats.begin(), found.beats.end(), [](const Beat& a, const Beat& b) { return a.node < b.node; });
  return found;
}

bool is_live(const Beat& beat, const Beats& beats) {
  return beat.state != to_string(State::kStopped) && age(beat.written_ns, beats.newest_ns, {}) < kLiveWithin;
}

std::chrono::seconds age(std::int64_t written_ns, std::int64_t newest_ns, std::chrono::system_clock::time_point now) {
  const std::int64_t local_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
  const std::int64_t ago_ns = std::max(newest_ns, local_ns) - written_ns;
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::nanoseconds(std::max<std::int64_t>(ago_ns, 0)));
}

}  // namespace colony
