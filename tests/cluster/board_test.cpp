// The cluster status over a real nats-server.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>
#include <thread>

#include "replicator/broker/cluster_status.h"
#include "replicator/cluster/heartbeat.h"
#include "replicator/log/error.h"
#include "tests/cluster/nats_process.h"

namespace colony {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

ClusterStatusSettings settings(const NatsProcess& server, bool read_only = false) {
  return {.broker = server.url(), .cluster = "c", .read_only = read_only};
}

bool becomes_true(const std::function<bool()>& condition) {
  const auto deadline = Clock::now() + 20s;
  while (Clock::now() < deadline) {
    try {
      if (condition()) return true;
    } catch (const LogUnavailable&) {
      // Not yet.
    }
  }
  return false;
}

Heartbeat heartbeat_of(const std::string& node, std::uint64_t position) {
  Heartbeat heartbeat;
  heartbeat.node = node;
  heartbeat.incarnation = Incarnation(0xfeed);
  heartbeat.position = Sequence(position);
  heartbeat.log_head = Sequence(position + 3);
  heartbeat.pending = 7;
  heartbeat.state = "halted";
  heartbeat.version = "1";
  heartbeat.home = {"host", "/some \"path\"/a.db"};
  heartbeat.error = "line one\nline two \xff";
  return heartbeat;
}

TEST(ClusterStatus, shows_the_latest_heartbeat_of_each_node) {
  NatsProcess server;
  ClusterStatus cluster_status(settings(server));
  put_heartbeat(cluster_status, heartbeat_of("a", 1));
  put_heartbeat(cluster_status, heartbeat_of("b", 5));
  put_heartbeat(cluster_status, heartbeat_of("a", 2));
  cluster_status.put("node.c", "no JSON");
  const Heartbeats found = read_heartbeats(cluster_status);
  ASSERT_EQ(found.heartbeats.size(), 2u);
  const Heartbeat& a = found.heartbeats.front();
  EXPECT_EQ(a.node, "a");
  EXPECT_EQ(a.incarnation, Incarnation(0xfeed));
  EXPECT_EQ(a.position, Sequence(2));
  EXPECT_EQ(a.log_head, Sequence(5));
  EXPECT_EQ(a.pending, 7);
  EXPECT_EQ(a.state, "halted");
  EXPECT_EQ(a.home, (Home{"host", "/some \"path\"/a.db"}));
  EXPECT_EQ(a.error.substr(0, 18), "line one\nline two ");
  EXPECT_EQ(found.heartbeats.back().position, Sequence(5));
  EXPECT_GT(a.written_ns, found.heartbeats.back().written_ns);
  EXPECT_GE(found.newest_ns, a.written_ns);
}

TEST(ClusterStatus, that_nobody_has_made_is_empty_to_those_who_only_read) {
  NatsProcess server;
  ClusterStatus reader(settings(server, true));
  EXPECT_TRUE(reader.entries().empty());
  ClusterStatus writer(settings(server));
  writer.put("node.a", "{}");
  EXPECT_EQ(reader.entries().size(), 1u);
}

TEST(ClusterStatus, is_unavailable_without_a_broker_and_comes_back_with_it) {
  NatsProcess server;
  ClusterStatus cluster_status(settings(server));
  cluster_status.put("node.a", "1");
  server.kill();
  EXPECT_THROW(cluster_status.put("node.a", "2"), LogUnavailable);
  EXPECT_THROW(cluster_status.entries(), LogUnavailable);
  server.start();
  EXPECT_TRUE(becomes_true([&] { return cluster_status.put("node.a", "3"), true; }));
  EXPECT_EQ(cluster_status.entries().at(0).text, "3");
}

TEST(ClusterStatus, interrupted_ends) {
  NatsProcess server;
  ClusterStatus cluster_status(settings(server));
  cluster_status.put("node.a", "1");
  cluster_status.interrupt();
  EXPECT_THROW(cluster_status.put("node.a", "2"), Interrupted);
}

TEST(Lease, has_one_holder_until_it_is_released) {
  NatsProcess server;
  ClusterStatus a(settings(server)), b(settings(server));
  EXPECT_TRUE(a.take("snapshot", "a", 3600s));
  EXPECT_TRUE(a.take("snapshot", "a", 3600s));
  EXPECT_FALSE(b.take("snapshot", "b", 3600s));
  EXPECT_TRUE(b.take("other", "b", 3600s));
  EXPECT_TRUE(a.renew("snapshot", "a", 3600s));
  EXPECT_FALSE(b.renew("snapshot", "b", 3600s));
  b.release("snapshot", "b");
  EXPECT_FALSE(b.take("snapshot", "b", 3600s));
  a.release("snapshot", "a");
  EXPECT_FALSE(a.renew("snapshot", "a", 3600s));
  EXPECT_TRUE(b.take("snapshot", "b", 3600s));
  EXPECT_FALSE(a.take("snapshot", "a", 3600s));
}

TEST(Lease, that_has_ended_is_taken_over) {
  NatsProcess server;
  ClusterStatus a(settings(server)), b(settings(server));
  EXPECT_TRUE(a.take("snapshot", "a", 2s));
  EXPECT_FALSE(b.take("snapshot", "b", 3600s));
  EXPECT_TRUE(becomes_true([&] { return b.take("snapshot", "b", 3600s); }));
  EXPECT_FALSE(a.renew("snapshot", "a", 3600s));
}

TEST(Lease, that_is_renewed_does_not_end) {
  NatsProcess server;
  ClusterStatus a(settings(server)), b(settings(server));
  EXPECT_TRUE(a.take("snapshot", "a", 1s));
  EXPECT_TRUE(a.renew("snapshot", "a", 3600s));
  // By the broker's clock the first second is over.
  const std::int64_t taken_ns = a.entries().at(0).written_ns;
  EXPECT_TRUE(becomes_true([&] {
    EXPECT_FALSE(b.take("snapshot", "b", 3600s));
    const std::vector<ClusterStatusEntry> entries = b.entries();
    return std::any_of(entries.begin(), entries.end(),
                       [&](const ClusterStatusEntry& entry) { return entry.written_ns > taken_ns + 1'500'000'000; });
  }));
}

TEST(Lease, of_many_who_ask_at_once_goes_to_one) {
  NatsProcess server;
  ClusterStatus first(settings(server));
  first.put("node.a", "{}");
  for (int round = 0; round < 5; ++round) {
    const std::string what = "chore-" + std::to_string(round);
    std::atomic<int> holders{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        ClusterStatus cluster_status(settings(server));
        holders += cluster_status.take(what, "n" + std::to_string(i), 3600s);
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(holders, 1);
  }
}

}  // namespace
}  // namespace colony
