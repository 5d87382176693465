#include "replicator/snapshots/retention.h"

#include <gtest/gtest.h>

namespace colony::unit {
namespace {

constexpr std::int64_t kNow = 1'000'000;

// At position n the log has 10 n bytes; it was made `age` seconds ago.
SnapshotName snapshot(std::uint64_t position, std::int64_t age) {
  return {"shop", Sequence(position), kNow - age, "a", 10 * position, "epoch"};
}
LogPlace place(std::uint64_t position) {
  return {.position = Sequence(position), .log_bytes = 10 * position, .changed = Sequence(position)};
}

RetentionSettings settings() {
  RetentionSettings settings;
  settings.snapshot_after_bytes = 100;
  settings.snapshot_after_s = 60;
  settings.log_keep_bytes = 500;
  settings.log_keep_s = 1000;
  settings.log_keep_entries = 1'000'000;
  settings.snapshots_keep = 2;
  return settings;
}

TEST(Retention, checks_of_rows_alone_make_no_snapshot_due) {
  LogPlace here = place(15);
  here.changed = Sequence(10);
  EXPECT_FALSE(is_snapshot_due(settings(), snapshot(10, 9999), here, kNow));
  here.changed = Sequence(11);
  EXPECT_TRUE(is_snapshot_due(settings(), snapshot(10, 9999), here, kNow));
  here = place(20);  // but the log has grown
  here.changed = Sequence(10);
  EXPECT_TRUE(is_snapshot_due(settings(), snapshot(10, 0), here, kNow));
}

TEST(Retention, snapshot_is_due) {
  const struct {
    const char* why;
    std::optional<SnapshotName> newest;
    std::uint64_t position;
    bool due;
  } cases[] = {
      {"nothing is in the log", std::nullopt, 0, false},
      {"there is none", std::nullopt, 1, true},
      {"little and soon", snapshot(10, 59), 19, false},
      {"enough bytes", snapshot(10, 0), 20, true},
      {"old, and something was written", snapshot(10, 60), 11, true},
      {"old, and nothing was written", snapshot(10, 9999), 10, false},
      {"ahead of this node", snapshot(10, 9999), 5, false},
  };
  for (const auto& it : cases) {
    EXPECT_EQ(is_snapshot_due(settings(), it.newest, place(it.position), kNow), it.due) << it.why;
  }
}

struct Case {
  const char* why;
  LogExtent log;
  std::vector<SnapshotName> snapshots;
  std::map<std::string, MemberPlace> members;
  std::uint64_t cut_to;
  std::size_t obsolete;
  std::vector<std::string> held_by, left_behind;
};

TEST(Retention, log_is_cut) {
  const std::vector<SnapshotName> four = {snapshot(10, 40), snapshot(30, 30), snapshot(60, 20), snapshot(90, 10)};
  const LogExtent full{100, 1000, kNow - 50}, small{100, 500, kNow - 50}, old{100, 500, kNow - 2000};
  const Case cases[] = {
      {"within all limits", small, four, {}, 0, 0, {}, {}},
      {"to the first that is within the bytes", full, four, {}, 60, 2, {}, {}},
      {"at an old log's first snapshot", old, four, {}, 60, 2, {}, {}},
      {"too few snapshots", full, {snapshot(90, 10)}, {}, 0, 0, {}, {}},
      {"the newest two stay", full, {snapshot(5, 40), snapshot(10, 30), snapshot(20, 20)}, {}, 10, 1, {}, {}},
      {"a live node holds it", full, four, {{"b", {Sequence(35)}}}, 30, 1, {"b"}, {}},
      {"a live node holds all", full, four, {{"b", {Sequence(9)}}}, 0, 0, {"b"}, {}},
      {"a live node is far enough", full, four, {{"b", {Sequence(60)}}}, 60, 2, {}, {}},
      {"one that is gone does not hold it", full, four, {{"b", {Sequence(9), true}}}, 60, 2, {}, {"b"}},
  };
  for (const Case& it : cases) {
    const RetentionPlan plan = plan_retention(settings(), it.log, it.snapshots, place(100), it.members, kNow);
    EXPECT_EQ(plan.cut_to.value(), it.cut_to) << it.why;
    EXPECT_EQ(plan.obsolete.size(), it.obsolete) << it.why;
    EXPECT_EQ(plan.held_by, it.held_by) << it.why;
    EXPECT_EQ(plan.left_behind, it.left_behind) << it.why;
  }
}

TEST(Retention, snapshots_of_former_logs_go_when_they_are_old_and_this_log_has_its_own) {
  const std::vector<SnapshotName> former = {snapshot(10, 1001), snapshot(20, 1000)};
  EXPECT_TRUE(outdated_snapshots(settings(), former, 1, kNow).empty());
  EXPECT_EQ(outdated_snapshots(settings(), former, 2, kNow), std::vector{former[0]});
}

}  // namespace
}  // namespace colony::unit
