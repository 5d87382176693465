// Who holds locks on a database, as other processes see it: each holder here is a
// forked process, and this one opens the database only before it looks.
#include "replicator/store/wal_index.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>

#include "replicator/store/file_users.h"
#include "replicator/store/sqlite.h"
#include "tests/unit/temporary_folder.h"

namespace colony {
namespace {

// Runs `body` in a forked process, and keeps that until this is destroyed.
class Holder {
 public:
  Holder(const std::string& path, const std::function<void(Database&)>& body) {
    int ready[2], end[2];
    if (pipe(ready) != 0 || pipe(end) != 0) throw std::runtime_error("no pipe");
    process_ = fork();
    char byte = 0;
    if (process_ == 0) {
      close(end[1]);
      try {
        Database db(path, Database::Mode::kReadWrite);
        body(db);
        if (write(ready[1], "r", 1) == 1 && read(end[0], &byte, 1) == 0) _exit(0);
      } catch (...) {
      }
      _exit(1);
    }
    close(ready[1]);
    close(end[0]);
    is_ready_ = read(ready[0], &byte, 1) == 1;
    close(ready[0]);
    end_ = end[1];
  }
  ~Holder() {
    close(end_);
    waitpid(process_, nullptr, 0);
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  pid_t process() const { return process_; }
  bool is_ready() const { return is_ready_; }

 private:
  pid_t process_ = -1;
  int end_ = -1;
  bool is_ready_ = false;
};

std::vector<pid_t> processes(const std::vector<LockHolder>& holders) {
  std::vector<pid_t> processes;
  for (const LockHolder& holder : holders) processes.push_back(holder.process);
  std::sort(processes.begin(), processes.end());
  return processes;
}

class WalIndexTest : public testing::Test {
 protected:
  WalIndexTest() {
    std::ofstream(path_).close();
    Database db(path_, Database::Mode::kReadWrite);
    db.query_text("PRAGMA journal_mode = WAL");
    db.execute("CREATE TABLE t(a); INSERT INTO t VALUES(1)");
  }

  static void commit(Database& db) { db.execute("PRAGMA wal_autocheckpoint = 0; INSERT INTO t VALUES(2)"); }
  static void begin_reading(Database& db) {
    db.execute("BEGIN");
    db.query_integer("SELECT count(*) FROM t");
  }
  static void begin_writing(Database& db) { db.execute("BEGIN IMMEDIATE"); }

  unit::TemporaryFolder folder_;
  std::string path_ = folder_ / "app.db";
};

TEST_F(WalIndexTest, nothing_is_told_where_nobody_has_the_database_open) {
  WalIndex index(path_);
  EXPECT_FALSE(index.fill());
  EXPECT_TRUE(index.writers().empty());
  EXPECT_TRUE(index.readers_in_the_way().empty());
}

TEST_F(WalIndexTest, holder_of_the_write_lock_is_named) {
  const Holder writer(path_, begin_writing);
  ASSERT_TRUE(writer.is_ready());
  WalIndex index(path_);
  const std::vector<LockHolder> holders = index.writers();
  ASSERT_EQ(holders.size(), 1u);
  EXPECT_EQ(holders[0].process, writer.process());
  EXPECT_EQ(holders[0].command, "unit_tests");
  EXPECT_EQ(to_string(holders), "process " + std::to_string(writer.process()) + " (unit_tests)");
}

TEST_F(WalIndexTest, all_readers_of_an_older_state_are_in_the_way_and_those_of_the_newest_are_not) {
  const Holder first_commit(path_, commit);
  const Holder old_one(path_, begin_reading), old_two(path_, begin_reading);
  const Holder second_commit(path_, commit);
  const Holder new_one(path_, begin_reading);
  ASSERT_TRUE(old_one.is_ready() && old_two.is_ready() && new_one.is_ready());
  WalIndex index(path_);
  ASSERT_TRUE(index.fill());
  EXPECT_EQ(index.fill()->checkpointed, 0u);
  EXPECT_GE(index.fill()->pages, 2u);
  std::vector<pid_t> expected{old_one.process(), old_two.process()};
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(processes(index.readers_in_the_way()), expected);
}

TEST_F(WalIndexTest, fill_tells_what_was_copied) {
  const Holder both(path_, [](Database& db) {
    commit(db);
    db.execute("PRAGMA wal_checkpoint(PASSIVE)");
  });
  ASSERT_TRUE(both.is_ready());
  WalIndex index(path_);
  ASSERT_TRUE(index.fill());
  EXPECT_GT(index.fill()->pages, 0u);
  EXPECT_EQ(index.fill()->checkpointed, index.fill()->pages);
}

// By the database's own locks, not those of the index: who excludes everybody has none there.
TEST(ExclusiveUser, is_who_reads_and_writes_alone_for_good) {
  const unit::TemporaryFolder folder;
  const std::string path = folder / "app.db";
  std::ofstream(path).close();
  Database(path, Database::Mode::kReadWrite).execute("PRAGMA journal_mode = WAL; CREATE TABLE t(a)");
  EXPECT_FALSE(exclusive_user_of(path));
  {
    const Holder reader(path, [](Database& db) { db.execute("BEGIN; SELECT * FROM t"); });
    const Holder writer(path, [](Database& db) { db.execute("BEGIN IMMEDIATE; INSERT INTO t VALUES(1)"); });
    ASSERT_TRUE(reader.is_ready() && writer.is_ready());
    EXPECT_FALSE(exclusive_user_of(path));
  }
  const Holder alone(path,
                     [](Database& db) { db.execute("PRAGMA locking_mode = EXCLUSIVE; INSERT INTO t VALUES(1)"); });
  ASSERT_TRUE(alone.is_ready());
  const std::optional<FileUser> user = exclusive_user_of(path);
  ASSERT_TRUE(user);
  EXPECT_EQ(user->process, alone.process());
  EXPECT_FALSE(user->command.empty());
}

TEST(ExclusiveUser, is_nobody_of_a_file_that_is_not_there) { EXPECT_FALSE(exclusive_user_of("/nowhere/app.db")); }

}  // namespace
}  // namespace colony
