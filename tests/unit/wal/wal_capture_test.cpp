#include "replicator/wal/wal_capture.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "../temporary_folder.h"
#include "replicator/store/file_layout.h"
#include "replicator/wal/own_transaction.h"
#include "watched_file.h"

namespace colony::unit {
namespace {

// A file in wal mode with a replicated table `t`, and a program that writes to it.
class WalCaptureTest : public testing::Test {
 protected:
  WalCaptureTest() : program_(new_wal_database(path_, {}, "CREATE TABLE t(id INTEGER PRIMARY KEY, x)")) {
    Database init(path_, Database::Mode::kReadWrite);
    create_layout(init, CaptureMode::kWal);
    init.execute("INSERT INTO __colony_tables(name) VALUES('t')");
    capture_.emplace(path_, SpillSettings());
    db_.emplace(path_, Database::Mode::kReadWrite);
    db_->wait_for_locks([](int waited_ms) { return waited_ms < 30000; }, 1);
    {
      OwnTransaction begin(*db_, &*capture_, OwnTransaction::Begin::kHere);
      begin.commit();
    }
    capture_->follow();
    OwnTransaction first(*db_, &*capture_);
    first.commit();
  }
  std::int64_t queued() { return db_->query_integer("SELECT count(*) FROM __colony_outbox"); }
  bool is_locked() {
    Database look(path_, Database::Mode::kReadWrite);
    look.execute("PRAGMA busy_timeout = 0");
    try {
      look.execute("BEGIN IMMEDIATE; ROLLBACK");
    } catch (const SqliteError&) {
      return true;
    }
    return false;
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_ / "x.db";
  Database program_;
  std::optional<WalCapture> capture_;
  std::optional<Database> db_;
};

// The program has the write lock and waits for readers; the capture is one, and waits for the lock.
TEST_F(WalCaptureTest, makes_way_for_a_checkpoint_that_it_waits_for) {
  for (const std::string kind : {"FULL", "RESTART", "TRUNCATE"}) {
    const std::int64_t before = queued();
    program_.execute("INSERT INTO t(x) VALUES('not captured yet')");
    program_.execute("PRAGMA busy_timeout = 30000");
    std::atomic<std::int64_t> is_busy{-1};
    std::thread checkpoint([&] { is_busy = program_.query_integer("PRAGMA wal_checkpoint(" + kind + ")"); });
    while (!is_locked() && is_busy < 0) std::this_thread::yield();
    const auto begin = std::chrono::steady_clock::now();
    {
      OwnTransaction capture(*db_, &*capture_);
      capture.commit();
    }
    checkpoint.join();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10)) << kind;
    EXPECT_EQ(is_busy, 0) << kind;
    EXPECT_EQ(queued(), before + 1) << kind;
  }
}

}  // namespace
}  // namespace colony::unit
