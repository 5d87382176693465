#include "replicator/file/wal_keeper.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/temporary_folder.h"

namespace colony {
namespace {

using namespace std::chrono_literals;

class WalKeeperTest : public testing::Test {
 protected:
  WalKeeperTest() {
    db_.query_text("PRAGMA journal_mode = WAL");
    db_.execute("CREATE TABLE t(a)");
    sqlite3_wal_hook(
        db_.handle(),
        [](void* keeper, sqlite3*, const char*, int pages) {
          static_cast<WalKeeper*>(keeper)->committed(pages);
          return SQLITE_OK;
        },
        &keeper_);
    db_.wait_for_locks([this](int) { return !keeper_.is_trying(); });
  }

  static std::string made(const std::string& path) {
    std::ofstream(path).close();
    return path;
  }

  void commit_mebibytes(int count) {
    db_.execute("INSERT INTO t VALUES(randomblob(" + std::to_string(count) + " << 20))");
    keeper_.checkpoint(now_);
  }
  std::uintmax_t bytes() const { return std::filesystem::file_size(path_ + "-wal"); }

  unit::TemporaryFolder folder_;
  std::string path_ = made(folder_ / "app.db");
  Database db_{path_, Database::Mode::kReadWrite};
  std::optional<WalKeeper::Clock::time_point> blocked_;
  WalKeeper keeper_{db_, [this](auto since) { blocked_ = since; }};
  WalKeeper::Clock::time_point now_{1000s};  // not the clock's: every run is the same
};

TEST_F(WalKeeperTest, small_log_is_copied_and_left_alone) {
  commit_mebibytes(8);
  EXPECT_FALSE(keeper_.is_holding_back());
  EXPECT_FALSE(blocked_);
  EXPECT_GT(bytes(), 8u << 20);
}

TEST_F(WalKeeperTest, large_log_is_cut_once_nobody_reads_from_it) {
  Database reader(path_, Database::Mode::kReadOnly);
  commit_mebibytes(1);
  reader.execute("BEGIN");
  reader.query_integer("SELECT count(*) FROM t");
  commit_mebibytes(20);
  EXPECT_TRUE(blocked_);
  ASSERT_TRUE(keeper_.is_holding_back());
  keeper_.hold_back(now_);
  EXPECT_GT(bytes(), 20u << 20);
  reader.execute("COMMIT");
  keeper_.hold_back(now_ + 10ms);
  EXPECT_FALSE(keeper_.is_holding_back());
  EXPECT_FALSE(blocked_);
  EXPECT_EQ(bytes(), 0u);
}

TEST_F(WalKeeperTest, nobody_is_held_back_for_long_by_a_reader_that_never_ends) {
  Database reader(path_, Database::Mode::kReadOnly);
  reader.execute("BEGIN");
  reader.query_integer("SELECT count(*) FROM t");
  WalKeeper::Clock::duration held{};
  const auto end = now_ + 100s;
  for (; now_ < end; now_ += 10ms) {
    if (now_.time_since_epoch() % 10s < 10ms) commit_mebibytes(5);
    if (!keeper_.is_holding_back()) continue;
    held += 10ms;
    keeper_.hold_back(now_);
  }
  EXPECT_GT(held, 5s);
  EXPECT_LT(held, 25s);
}

TEST_F(WalKeeperTest, app_that_writes_is_not_waited_for) {
  Database reader(path_, Database::Mode::kReadOnly), writer(path_, Database::Mode::kReadWrite);
  reader.execute("BEGIN");
  reader.query_integer("SELECT count(*) FROM t");
  commit_mebibytes(20);
  reader.execute("COMMIT");
  writer.execute("BEGIN IMMEDIATE; INSERT INTO t VALUES(1)");
  ASSERT_TRUE(keeper_.is_holding_back());
  const auto begin = WalKeeper::Clock::now();
  keeper_.hold_back(now_);
  EXPECT_LT(WalKeeper::Clock::now() - begin, 2s);
  EXPECT_GT(bytes(), 20u << 20);
  writer.execute("COMMIT");
  keeper_.hold_back(now_ + 10ms);
  EXPECT_EQ(bytes(), 0u);
}

TEST_F(WalKeeperTest, what_an_app_has_made_large_is_looked_at_too) {
  Database app(path_, Database::Mode::kReadWrite);
  app.execute("PRAGMA wal_autocheckpoint = 0; INSERT INTO t VALUES(randomblob(20 << 20))");
  keeper_.look(now_ + 2s);
  ASSERT_TRUE(keeper_.is_holding_back());
  keeper_.hold_back(now_ + 2s);
  EXPECT_EQ(bytes(), 0u);
}

}  // namespace
}  // namespace colony
