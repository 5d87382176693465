#include "replicator/node/members.h"

namespace colony {
namespace {

// Six beats.
constexpr std::chrono::seconds kSilentAfter{30};

Standing standing_of(const Member& member, std::chrono::seconds gone_after) {
  if (!member.seen_ago) return Standing::kUnseen;
  if (is_gone(member.seen_ago, gone_after)) return Standing::kGone;
  return *member.seen_ago > kSilentAfter ? Standing::kSilent : Standing::kLive;
}

// What the board adds to what the log tells.
void add_beat(Member& member, const Beats* beats, std::chrono::system_clock::time_point now) {
  const Beat* const beat = beats == nullptr ? nullptr : beats->of(member.node, member.incarnation);
  if (beat == nullptr) return;
  member.beat = *beat;
  member.seen_ago = age(beat->written_ns, beats->newest_ns, now);
  member.home = beat->home;
  member.version = beat->version;
}

}  // namespace

const char* to_string(Standing standing) {
  switch (standing) {
    case Standing::kLive:
      return "live";
    case Standing::kSilent:
      return "silent";
    case Standing::kGone:
      return "gone";
    case Standing::kUnseen:
      return "unseen";
    case Standing::kJoining:
      return "joining";
    case Standing::kLeft:
      return "left";
    case Standing::kRemoved:
      return "removed";
  }
  return "unknown";
}

bool is_gone(std::optional<std::chrono::seconds> seen_ago, std::chrono::seconds gone_after) {
  return seen_ago && *seen_ago > gone_after;
}

std::vector<Member> members_of(NodeFile& file, const Beats* beats, std::chrono::seconds gone_after,
                               std::chrono::system_clock::time_point now) {
  std::map<std::string, Member> members;
  for (const auto& [node, origin] : file.origins()) {
    Member& member = members[node];
    member = {node,           origin.incarnation, Standing::kUnseen, origin.sequence, "", {origin.host, origin.path},
              origin.version, std::nullopt,       std::nullopt};
    add_beat(member, beats, now);
    member.standing = standing_of(member, gone_after);
  }
  const std::map<Incarnation, Departure> departures = file.departures();
  if (beats != nullptr) {
    for (const Beat& beat : beats->beats) {
      if (members.contains(beat.node) || departures.contains(beat.incarnation)) continue;
      Member& member = members[beat.node];
      member.node = beat.node;
      member.incarnation = beat.incarnation;
      add_beat(member, beats, now);
      member.standing = is_gone(member.seen_ago, gone_after) ? Standing::kGone : Standing::kJoining;
    }
  }
  std::vector<Member> all;
  for (auto& [node, member] : members) all.push_back(std::move(member));
  std::multimap<std::string, Member> left;
  for (const auto& [incarnation, departure] : departures) {
    const Standing standing = departure.removed_by.empty() ? Standing::kLeft : Standing::kRemoved;
    Member member{departure.node,     incarnation,          standing,
                  departure.sequence, departure.removed_by, {departure.host, departure.path},
                  departure.version,  std::nullopt,         std::nullopt};
    add_beat(member, beats, now);
    left.emplace(departure.node, std::move(member));
  }
  for (auto& [node, member] : left) all.push_back(std::move(member));
  return all;
}

}  // namespace colony
