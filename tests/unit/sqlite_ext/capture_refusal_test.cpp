// What cannot be captured is refused, with the reason; nothing is lost in silence.
#include <gtest/gtest.h>

#include "sqlite_ext/capture.h"
#include "tests/unit/memory_node.h"

namespace colony {
namespace {

using unit::MemoryNode;

constexpr const char* kSchema = "CREATE TABLE t(k INTEGER PRIMARY KEY, a)";

TEST(CaptureRefusal, connection_without_capture_cannot_write_but_reads) {
  MemoryNode node(kSchema);
  node.run("INSERT INTO t VALUES(1, 'a')");
  Database plain(node.path(), Database::Mode::kReadWrite);
  for (const char* sql : {"INSERT INTO t VALUES(2, 'b')", "UPDATE t SET a = 1", "DELETE FROM t"}) {
    EXPECT_EQ(unit::error_of(plain, sql), "no such module: Colony (load the extension colony.so on this connection)");
  }
  EXPECT_EQ(unit::rows(plain, "t"), "1 'a'\n");
}

TEST(CaptureRefusal, transaction_for_which_neither_memory_nor_disk_has_room_is_rolled_back) {
  MemoryNode node(kSchema);
  Database db(node.path(), Database::Mode::kReadWrite);
  ASSERT_EQ(install_capture(db.handle(), *SqliteHost::get(), SpillSettings{"/nowhere", 100}), SQLITE_OK);
  db.execute("BEGIN; INSERT INTO t VALUES(1, hex(zeroblob(500)))");
  const std::string error = unit::error_of(db, "COMMIT");
  EXPECT_NE(error.find("colony: cannot make a temporary file in /nowhere"), std::string::npos) << error;
  EXPECT_FALSE(db.in_transaction());
  EXPECT_EQ(unit::rows(db, "t"), "");
  EXPECT_EQ(node.outbox().size(), 0u);
  db.execute("INSERT INTO t VALUES(2, 'b')");
  EXPECT_EQ(node.outbox().size(), 1u);
}

TEST(CaptureRefusal, hook_that_the_app_took_away_makes_the_commit_fail) {
  MemoryNode node(kSchema);
  node.run("INSERT INTO t VALUES(1, 'a')");
  const auto nothing = [](void*, sqlite3*, int, const char*, const char*, sqlite3_int64, sqlite3_int64) {};
  int context = 0;
  sqlite3_preupdate_hook(node.db().handle(), nothing, &context);
  const std::string error = unit::error_of(node.db(), "INSERT INTO t VALUES(2, 'b')");
  EXPECT_NE(error.find("something else on this connection uses the preupdate hook"), std::string::npos) << error;
  EXPECT_EQ(node.rows("t"), "1 'a'\n");
  EXPECT_EQ(node.outbox().size(), 1u);
}

TEST(CaptureRefusal, session_on_a_captured_connection_makes_the_commit_fail_until_it_is_gone) {
  MemoryNode node(kSchema);
  node.run("INSERT INTO t VALUES(1, 'a')");
  sqlite3_session* session = nullptr;
  ASSERT_EQ(sqlite3session_create(node.db().handle(), "main", &session), SQLITE_OK);
  sqlite3session_attach(session, nullptr);
  const std::string error = unit::error_of(node.db(), "INSERT INTO t VALUES(2, 'b')");
  EXPECT_NE(error.find("(a session, perhaps)"), std::string::npos) << error;
  EXPECT_EQ(node.rows("t"), "1 'a'\n");
  sqlite3session_delete(session);
  EXPECT_EQ(node.captured("INSERT INTO t VALUES(3, 'c')"), "t + 3 'c'\n");
}

TEST(CaptureRefusal, session_that_came_and_went_between_two_transactions_does_no_harm) {
  MemoryNode node(kSchema);
  node.run("INSERT INTO t VALUES(1, 'a')");
  sqlite3_session* session = nullptr;
  ASSERT_EQ(sqlite3session_create(node.db().handle(), "main", &session), SQLITE_OK);
  sqlite3session_delete(session);
  EXPECT_EQ(node.captured("INSERT INTO t VALUES(3, 'c')"), "t + 3 'c'\n");
}

TEST(CaptureRefusal, session_that_comes_in_the_middle_of_a_transaction_makes_its_commit_fail) {
  MemoryNode node(kSchema);
  node.run("BEGIN; INSERT INTO t VALUES(1, 'a')");
  sqlite3_session* session = nullptr;
  ASSERT_EQ(sqlite3session_create(node.db().handle(), "main", &session), SQLITE_OK);
  node.run("INSERT INTO t VALUES(2, 'b')");
  EXPECT_NE(unit::error_of(node.db(), "COMMIT"), "");
  EXPECT_FALSE(node.db().in_transaction());
  sqlite3session_delete(session);
  EXPECT_EQ(node.rows("t"), "");
}

TEST(CaptureRefusal, hook_that_was_set_before_capture_is_not_stolen_in_silence) {
  MemoryNode node(kSchema);
  Database db(node.path(), Database::Mode::kReadWrite);
  const auto nothing = [](void*, sqlite3*, int, const char*, const char*, sqlite3_int64, sqlite3_int64) {};
  int context = 0;
  sqlite3_preupdate_hook(db.handle(), nothing, &context);
  ASSERT_EQ(install_capture(db.handle(), *SqliteHost::get()), SQLITE_OK);
  const std::string error = unit::error_of(db, "INSERT INTO t VALUES(2, 'b')");
  EXPECT_NE(error.find("preupdate hook"), std::string::npos) << error;
}

// Its guards go with it to the new name; the list of replicated tables does not.
TEST(CaptureRefusal, renamed_table_refuses_writes_instead_of_losing_them) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY, a); CREATE TABLE u(k INTEGER PRIMARY KEY)");
  Database changer = unit::open_captured(node.path());
  node.run("INSERT INTO t VALUES(1, 'a')");
  changer.execute("SELECT colony_allow_schema_changes(); ALTER TABLE t RENAME TO renamed");
  const std::string error = unit::error_of(node.db(), "INSERT INTO renamed VALUES(2, 'b')");
  EXPECT_NE(error.find("run colony init again"), std::string::npos) << error;
  EXPECT_EQ(node.rows("renamed"), "1 'a'\n");
  EXPECT_EQ(node.captured("INSERT INTO u VALUES(1)"), "u + 1\n");
}

// Incremental writing fires no triggers. Where there is a guard index SQLite refuses it.
class IncrementalBlob : public testing::Test {
 protected:
  int write(const std::string& bytes) { return write(bytes, node_.db()); }
  static int write(const std::string& bytes, Database& db) {
    sqlite3_blob* blob = nullptr;
    int rc = sqlite3_blob_open(db.handle(), "main", "t", "a", 1, 1, &blob);
    if (rc == SQLITE_OK) rc = sqlite3_blob_write(blob, bytes.data(), static_cast<int>(bytes.size()), 0);
    const int closed = sqlite3_blob_close(blob);
    return rc == SQLITE_OK ? closed : rc;
  }

  MemoryNode node_{kSchema, "a", GuardKind::kTriggers};
};

TEST_F(IncrementalBlob, in_a_transaction_makes_its_commit_fail) {
  node_.run("INSERT INTO t VALUES(1, x'000000'); BEGIN; INSERT INTO t VALUES(2, 2)");
  EXPECT_EQ(write("abc"), SQLITE_OK);
  EXPECT_NE(unit::error_of(node_.db(), "COMMIT").find("sqlite3_blob_write()"), std::string::npos);
  EXPECT_EQ(node_.rows("t"), "1 x'000000'\n");
  EXPECT_EQ(node_.captured("INSERT INTO t VALUES(3, 3)"), "t + 3 3\n");
}

TEST_F(IncrementalBlob, by_itself_is_refused) {
  node_.run("INSERT INTO t VALUES(1, x'000000')");
  EXPECT_NE(write("abc"), SQLITE_OK);
  EXPECT_EQ(node_.rows("t"), "1 x'000000'\n");
  EXPECT_EQ(node_.captured("INSERT INTO t VALUES(3, 3)"), "t + 3 3\n");
}

TEST_F(IncrementalBlob, on_a_connection_that_has_not_written_before_is_refused) {
  node_.run("INSERT INTO t VALUES(1, x'000000')");
  Database other = unit::open_captured(node_.path());
  EXPECT_NE(write("abc", other), SQLITE_OK);
  EXPECT_NE(std::string(sqlite3_errmsg(other.handle())).find("sqlite3_blob_write()"), std::string::npos)
      << sqlite3_errmsg(other.handle());
  EXPECT_EQ(node_.rows("t"), "1 x'000000'\n");
}

TEST_F(IncrementalBlob, beside_an_update_of_the_row_makes_the_commit_fail) {
  node_.run("INSERT INTO t VALUES(1, x'000000'); BEGIN");
  EXPECT_EQ(write("abc"), SQLITE_OK);
  node_.run("UPDATE t SET a = x'111111'");
  EXPECT_NE(unit::error_of(node_.db(), "COMMIT").find("sqlite3_blob_write()"), std::string::npos);
  EXPECT_EQ(node_.rows("t"), "1 x'000000'\n");
}

TEST(CaptureRefusal, capture_table_reads_empty_and_is_not_for_writing) {
  MemoryNode node(kSchema);
  EXPECT_EQ(node.rows("__colony_capture"), "");
  EXPECT_NE(unit::error_of(node.db(), "INSERT INTO __colony_capture VALUES(1)").find("not for writing"),
            std::string::npos);
}

TEST(CaptureRefusal, outbox_that_cannot_be_written_refuses_the_commit) {
  MemoryNode node(kSchema);
  node.run("CREATE TRIGGER full BEFORE INSERT ON __colony_outbox BEGIN SELECT RAISE(ABORT, 'disk is full'); END");
  const std::string error = unit::error_of(node.db(), "INSERT INTO t VALUES(1, 'a')");
  EXPECT_NE(error.find("disk is full"), std::string::npos) << error;
  EXPECT_EQ(node.rows("t"), "");
  node.run("DROP TRIGGER full");
  EXPECT_EQ(node.captured("INSERT INTO t VALUES(1, 'a')"), "t + 1 'a'\n");
}

}  // namespace
}  // namespace colony
