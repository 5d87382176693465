// The applier beside an app that writes, on a real file: in memory a reader
// would keep a writer from committing, which it does not in WAL mode.
#include <gtest/gtest.h>

#include <fstream>

#include "replicator/membership/enrollment.h"
#include "tests/unit/memory_sidecar.h"
#include "tests/unit/temporary_folder.h"

namespace colony {
namespace {

constexpr const char* kSchema = "CREATE TABLE t(k INTEGER PRIMARY KEY, a)";

class ApplierLockTest : public testing::Test {
 protected:
  ApplierLockTest() {
    std::ofstream(path_).close();
    Database(path_, Database::Mode::kReadWrite).execute(kSchema);
    enroll({path_, "test", "b", {}});
    unit::MemorySidecar a(stream_, kSchema, "a", 1);
    a.app().run("INSERT INTO t VALUES(1, 'of a')");
    a.settle();
    options_.home = home_of(path_);
  }

  unit::TemporaryFolder folder_;
  std::string path_ = folder_ / "app.db";
  unit::MemoryStream stream_;
  unit::MemoryLog log_{stream_, "b"};
  ApplierObserver nobody_;
  Applier::Options options_;
};

TEST_F(ApplierLockTest, app_that_holds_the_write_lock_is_waited_for) {
  Database writer = unit::open_captured(path_);
  int asked = 0;
  options_.go_on_waiting = [&](int) {
    if (++asked == 3) writer.execute("COMMIT");
    return asked < 10;
  };
  Applier applier(path_, log_, nobody_, options_);
  writer.execute("BEGIN IMMEDIATE; INSERT INTO t VALUES(9, 'of b')");
  while (applier.step(std::chrono::milliseconds(0))) continue;
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(unit::rows(writer, "t"), "1 'of a'\n9 'of b'\n");
}

TEST_F(ApplierLockTest, reader_sees_one_state_while_the_applier_writes) {
  Database reader(path_, Database::Mode::kReadOnly);
  reader.execute("BEGIN");
  EXPECT_EQ(unit::rows(reader, "t"), "");
  Applier applier(path_, log_, nobody_, options_);
  while (applier.step(std::chrono::milliseconds(0))) continue;
  EXPECT_EQ(unit::rows(reader, "t"), "");
  reader.execute("COMMIT");
  EXPECT_EQ(unit::rows(reader, "t"), "1 'of a'\n");
}

TEST_F(ApplierLockTest, idle_applier_holds_no_read_transaction) {
  Applier applier(path_, log_, nobody_, options_);
  while (applier.step(std::chrono::milliseconds(0))) continue;
  Database app = unit::open_captured(path_);
  app.execute("INSERT INTO t VALUES(2, 'x')");
  // Everything can be copied into the database, and the write-ahead log begun anew.
  EXPECT_EQ(app.query_integer("PRAGMA wal_checkpoint(RESTART)"), 0);
}

}  // namespace
}  // namespace colony
