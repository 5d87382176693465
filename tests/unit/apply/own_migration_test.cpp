#include "replicator/apply/own_migration.h"

#include <gtest/gtest.h>

namespace colony {
namespace {

using std::chrono::seconds;

TEST(OwnMigration, others_wait_until_it_is_over_and_not_for_ever) {
  OwnMigration migration(seconds(2), seconds(30));
  OwnMigration::Clock::time_point now{seconds(100)};
  EXPECT_FALSE(migration.holds_back(now));
  migration.look(ChunkNumber(5), now);
  EXPECT_TRUE(migration.holds_back(now + seconds(1)));
  migration.look(std::nullopt, now + seconds(1));  // the log has it
  migration.look(ChunkNumber(5), now + seconds(1));
  EXPECT_FALSE(migration.holds_back(now + seconds(2)));
  // One that never ends.
  now += seconds(10);
  for (std::uint64_t n = 6; n < 36; ++n, now += seconds(1)) {
    migration.look(ChunkNumber(n), now);
    EXPECT_TRUE(migration.holds_back(now)) << n;
  }
  migration.look(ChunkNumber(36), now);
  EXPECT_FALSE(migration.holds_back(now));
}

TEST(OwnMigration, nobody_waits_without_a_pause) {
  OwnMigration migration(seconds(0));
  migration.look(ChunkNumber(1), OwnMigration::Clock::time_point{});
  EXPECT_FALSE(migration.holds_back(OwnMigration::Clock::time_point{}));
}

}  // namespace
}  // namespace colony
