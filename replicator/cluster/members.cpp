#include "replicator/cluster/members.h"

namespace colony {
namespace {

// Six heartbeats.
constexpr std::chrono::seconds kSilentAfter{30};

Standing standing_of(const Member& member, std::chrono::seconds gone_after) {
  if (!member.seen_ago) return Standing::kUnseen;
  if (is_gone(member.seen_ago, gone_after)) return Standing::kGone;
  return *member.seen_ago > kSilentAfter ? Standing::kSilent : Standing::kLive;
}

// What the cluster status adds to what the log tells.
void add_heartbeat(Member& member, const Heartbeats* heartbeats, std::chrono::system_clock::time_point now) {
  const Heartbeat* const heartbeat = heartbeats == nullptr ? nullptr : heartbeats->of(member.node, member.incarnation);
  if (heartbeat == nullptr) return;
  member.heartbeat = *heartbeat;
  member.seen_ago = age(heartbeat->written_ns, heartbeats->newest_ns, now);
  member.home = heartbeat->home;
  member.version = heartbeat->version;
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

std::vector<Member> members_of(NodeFile& file, const Heartbeats* heartbeats, std::chrono::seconds gone_after,
                               std::chrono::system_clock::time_point now) {
  std::map<std::string, Member> members;
  for (const auto& [node, origin] : file.origins()) {
    Member& member = members[node];
    member = {node,           origin.incarnation, Standing::kUnseen, origin.sequence, "", {origin.host, origin.path},
              origin.version, std::nullopt,       std::nullopt};
    add_heartbeat(member, heartbeats, now);
    member.standing = standing_of(member, gone_after);
  }
  const std::map<Incarnation, Departure> departures = file.departures();
  if (heartbeats != nullptr) {
    for (const Heartbeat& heartbeat : heartbeats->heartbeats) {
      if (members.contains(heartbeat.node) || departures.contains(heartbeat.incarnation)) continue;
      Member& member = members[heartbeat.node];
      member.node = heartbeat.node;
      member.incarnation = heartbeat.incarnation;
      add_heartbeat(member, heartbeats, now);
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
    add_heartbeat(member, heartbeats, now);
    left.emplace(departure.node, std::move(member));
  }
  for (auto& [node, member] : left) all.push_back(std::move(member));
  return all;
}

}  // namespace colony
