#include "replicator/wal/wal_pin.h"

#include <gtest/gtest.h>

#include "../temporary_folder.h"
#include "replicator/wal/page_versions.h"
#include "watched_file.h"

namespace colony::unit {
namespace {

class WalPinTest : public testing::Test {
 protected:
  WalPinTest() : db_(new_wal_database(path_, {}, "CREATE TABLE t(x); INSERT INTO t VALUES(0)")), pin_(path_) {
    db_.execute("PRAGMA busy_timeout = 0");
  }
  void write() { db_.execute("INSERT INTO t VALUES(1)"); }
  // Whether it was refused, and how many frames are in the database.
  std::pair<bool, std::int64_t> checkpoint(const std::string& kind) {
    Statement run(db_, "PRAGMA wal_checkpoint(" + kind + ")");
    run.step();
    return {run.integer(0) != 0, run.integer(2)};
  }
  FrameNumber frames() { return pin_.log().wait_for_end().frame; }

  TemporaryFolder folder_;
  const std::string path_ = folder_ / "x.db";
  Database db_;
  WalPin pin_;
};

using Checkpoint = std::pair<bool, std::int64_t>;

TEST_F(WalPinTest, keeps_its_state_from_being_overwritten) {
  pin_.open_next();
  pin_.take_next();
  const FrameNumber at = frames();
  write();
  EXPECT_EQ(checkpoint("PASSIVE"), Checkpoint(false, at)) << "not beyond the state";
  EXPECT_EQ(pin_.reader().query_integer("SELECT count(*) FROM t"), 1);
  EXPECT_TRUE(checkpoint("RESTART").first);
}

TEST_F(WalPinTest, keeps_both_states_until_the_next_one_is_taken) {
  pin_.open_next();
  pin_.take_next();
  const FrameNumber first = frames();
  write();
  pin_.open_next();
  EXPECT_TRUE(pin_.has_next());
  EXPECT_EQ(pin_.reader().query_integer("SELECT count(*) FROM t"), 1);
  EXPECT_EQ(pin_.next_reader().query_integer("SELECT count(*) FROM t"), 2);
  EXPECT_EQ(checkpoint("PASSIVE").second, first);
  const FrameNumber second = frames();
  pin_.take_next();
  EXPECT_FALSE(pin_.has_next());
  write();
  EXPECT_EQ(checkpoint("PASSIVE").second, second);
}

TEST_F(WalPinTest, goes_on_with_its_state_when_the_next_one_is_dropped) {
  pin_.open_next();
  pin_.take_next();
  const FrameNumber first = frames();
  write();
  pin_.open_next();
  pin_.drop_next();
  EXPECT_EQ(checkpoint("PASSIVE").second, first);
}

TEST_F(WalPinTest, moves_only_to_the_state_that_is_captured) {
  pin_.open_next();
  pin_.take_next();
  const WalEnd captured = pin_.log().wait_for_end();
  write();
  EXPECT_FALSE(pin_.move_to(captured)) << "there is more now";
  EXPECT_EQ(pin_.reader().query_integer("SELECT count(*) FROM t"), 1);
  EXPECT_TRUE(pin_.move_to(pin_.log().wait_for_end()));
  EXPECT_EQ(pin_.reader().query_integer("SELECT count(*) FROM t"), 2);
  EXPECT_FALSE(pin_.move_to(pin_.log().wait_for_end())) << "it is there";
}

TEST_F(WalPinTest, lets_the_log_be_begun_anew_when_it_needs_no_page_of_it) {
  write();
  EXPECT_TRUE(pin_.move_to(pin_.log().wait_for_end()));
  EXPECT_FALSE(checkpoint("PASSIVE").first);
  EXPECT_TRUE(pin_.move_to(pin_.log().wait_for_end())) << "all is in the database now";
  const WalSalt before = pin_.log().wait_for_end().salt;
  write();
  EXPECT_NE(pin_.log().wait_for_end().salt, before);
  EXPECT_EQ(checkpoint("PASSIVE").second, 0) << "but nothing of the new one is copied";
}

TEST_F(WalPinTest, locks_checkpoints_out) {
  pin_.lock_checkpoints();
  write();
  EXPECT_TRUE(checkpoint("PASSIVE").first);
  EXPECT_TRUE(checkpoint("TRUNCATE").first);
  pin_.unlock_checkpoints();
  EXPECT_FALSE(checkpoint("PASSIVE").first);
  EXPECT_EQ(pin_.log().written_back(), frames());
}

TEST(WalPin, refuses_a_file_that_is_not_in_wal_mode) {
  TemporaryFolder folder;
  new_wal_database(folder / "x.db", {}, "CREATE TABLE t(x); PRAGMA journal_mode = DELETE");
  EXPECT_THROW(WalPin(folder / "x.db"), Error);
}

}  // namespace
}  // namespace colony::unit
