// Who is a member, and how it stands.
#include "replicator/cluster/members.h"

#include <gtest/gtest.h>

#include "tests/unit/memory_node.h"

namespace colony {
namespace {

using unit::MemoryNode;
using namespace std::chrono_literals;

constexpr std::int64_t kNow = 1'000'000'000'000'000'000;
const std::chrono::system_clock::time_point kClock{std::chrono::nanoseconds(kNow)};

class MembersTest : public testing::Test {
 protected:
  void know(const std::string& node, std::uint64_t incarnation) {
    file_.set_origin(node, {Incarnation(incarnation), ChunkNumber(3), Sequence(9), "host", "/" + node, "1"});
  }
  void heartbeat(const std::string& node, std::uint64_t incarnation, std::chrono::seconds ago) {
    Heartbeat heartbeat;
    heartbeat.node = node;
    heartbeat.incarnation = Incarnation(incarnation);
    heartbeat.written_ns = kNow - std::chrono::nanoseconds(ago).count();
    heartbeats_.newest_ns = std::max(heartbeats_.newest_ns, heartbeat.written_ns);
    heartbeats_.heartbeats.push_back(heartbeat);
  }
  // "name standing" of all.
  std::vector<std::string> members(bool with_cluster_status = true) {
    std::vector<std::string> found;
    for (const Member& member : members_of(file_, with_cluster_status ? &heartbeats_ : nullptr, kGoneAfter, kClock)) {
      found.push_back(member.node + " " + to_string(member.standing));
    }
    return found;
  }

  MemoryNode node_{"CREATE TABLE t(k INTEGER PRIMARY KEY, a)", "self"};
  NodeFile file_{node_.db()};
  Heartbeats heartbeats_;
};

TEST_F(MembersTest, are_those_of_the_log_with_what_the_cluster_status_says) {
  for (const char* name : {"a", "b", "c", "d"}) know(name, 1);
  heartbeat("a", 1, 3s);
  heartbeat("b", 1, 31s);
  heartbeat("c", 1, kGoneAfter + 1s);
  heartbeat("e", 1, 1s);
  EXPECT_EQ(members(), (std::vector<std::string>{"a live", "b silent", "c gone", "d unseen", "e joining"}));
  EXPECT_EQ(members(false), (std::vector<std::string>{"a unseen", "b unseen", "c unseen", "d unseen"}));
}

TEST_F(MembersTest, that_left_come_last_and_a_heartbeat_of_another_life_is_not_theirs) {
  know("a", 2);
  know("b", 1);
  file_.add_departure(Incarnation(1), {"b", ChunkNumber(3), Sequence(10), "a", "host", "/b", "1"});
  file_.add_departure(Incarnation(7), {"c", ChunkNumber(0), Sequence(11), "", "host", "/c", "1"});
  heartbeat("a", 1, 1s);
  heartbeat("b", 1, 1s);
  EXPECT_EQ(members(), (std::vector<std::string>{"a unseen", "b removed", "c left"}));
}

TEST_F(MembersTest, are_gone_when_they_were_not_seen_for_too_long) {
  EXPECT_FALSE(is_gone(std::nullopt, 10s));
  EXPECT_FALSE(is_gone(10s, 10s));
  EXPECT_TRUE(is_gone(11s, 10s));
}

TEST_F(MembersTest, ages_follow_the_later_of_two_clocks) {
  const auto at = [](std::int64_t seconds) {
    return std::chrono::system_clock::time_point(std::chrono::seconds(seconds));
  };
  constexpr std::int64_t kSecond = 1'000'000'000;
  EXPECT_EQ(age(10 * kSecond, 30 * kSecond, at(20)), 20s);
  EXPECT_EQ(age(10 * kSecond, 30 * kSecond, at(40)), 30s);
  EXPECT_EQ(age(10 * kSecond, 10 * kSecond, at(5)), 0s);
}

}  // namespace
}  // namespace colony
