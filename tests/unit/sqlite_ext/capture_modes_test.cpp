// What colony.so does on a connection to a file in wal mode: nothing; and when a file changes
// its mode under connections that are open.
#include <gtest/gtest.h>

#include <random>

#include "sqlite_ext/capture.h"
#include "sqlite_ext/schema_judge.h"
#include "tests/unit/memory_node.h"

namespace colony {
namespace {

using unit::MemoryNode;
using unit::put_into_mode;

constexpr const char* kSchema =
    "CREATE TABLE t(k INTEGER PRIMARY KEY, a); CREATE TABLE u(k TEXT PRIMARY KEY, a); INSERT INTO t VALUES(1, 'x')";

class WalModeCapture : public testing::Test {
 protected:
  WalModeCapture() {
    agree_on_definitions(node_.db());
    node_.run("INSERT OR REPLACE INTO __colony_meta(key, value) VALUES('left_out_known', 1)");
  }
  void put_into(CaptureMode mode) { put_into_mode(node_.path(), mode); }
  std::int64_t chunks() { return node_.db().query_integer("SELECT count(*) FROM __colony_outbox"); }

  MemoryNode node_{kSchema};
};

TEST_F(WalModeCapture, nothing_is_captured_refused_or_changed) {
  put_into(CaptureMode::kWal);
  Database app = unit::open_captured(node_.path());
  app.execute(
      "INSERT INTO u VALUES(NULL, 1), (NULL, 2); DROP TABLE t; CREATE TABLE t(a); CREATE TABLE later(k PRIMARY KEY); "
      "INSERT INTO later VALUES(1); PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = sql; "
      "PRAGMA writable_schema = OFF; CREATE UNIQUE INDEX i ON u(a); ALTER TABLE u RENAME COLUMN a TO b; VACUUM");
  EXPECT_EQ(chunks(), 0);
  EXPECT_EQ(replicated_tables(app), (std::vector<std::string>{"t", "u"}));
  EXPECT_EQ(unit::rows(app, "u"), "NULL 1\nNULL 2\n");
  sqlite3_session* session = nullptr;
  ASSERT_EQ(sqlite3session_create(app.handle(), "main", &session), SQLITE_OK);
  sqlite3session_attach(session, nullptr);
  EXPECT_EQ(unit::error_of(app, "INSERT INTO later VALUES(2)"), "");
  EXPECT_EQ(sqlite3session_isempty(session), 0);
  sqlite3session_delete(session);
}

TEST_F(WalModeCapture, functions_answer) {
  node_.run("INSERT INTO t VALUES(2, 'pending')");
  put_into(CaptureMode::kWal);
  EXPECT_EQ(node_.db().query_text("SELECT colony_node()"), "a");
  EXPECT_EQ(node_.db().query_integer("SELECT colony_pending()"), 1);
}

TEST_F(WalModeCapture, attached_file_in_session_mode_is_captured) {
  put_into(CaptureMode::kWal);
  MemoryNode other("CREATE TABLE o(k INTEGER PRIMARY KEY, a)");
  Statement(node_.db(), "ATTACH ?1 AS other").bind(1, other.path()).run();
  node_.run("BEGIN; INSERT INTO t VALUES(2, 'here'); INSERT INTO o VALUES(1, 'there'); COMMIT");
  EXPECT_EQ(chunks(), 0);
  ASSERT_EQ(other.outbox().size(), 1u);
  EXPECT_EQ(unit::shown_changes(other.outbox().front()), "o + 1 'there'\n");
  // What SQLite does not tell of is no reason to refuse it in a file of this mode.
  node_.run("SELECT colony_allow_schema_changes(); BEGIN; CREATE TABLE x(a); INSERT INTO o VALUES(2, 2); COMMIT");
  EXPECT_EQ(other.outbox().size(), 2u);
}

TEST_F(WalModeCapture, attached_file_in_wal_mode_is_not) {
  MemoryNode other("CREATE TABLE o(k INTEGER PRIMARY KEY, a)");
  Statement(node_.db(), "ATTACH ?1 AS other").bind(1, other.path()).run();
  node_.run("INSERT INTO o VALUES(1, 'captured')");
  put_into_mode(other.path(), CaptureMode::kWal);
  EXPECT_EQ(node_.captured("BEGIN; INSERT INTO o VALUES(2, 'not'); INSERT INTO t VALUES(2, 'y'); COMMIT"),
            "t + 2 'y'\n");
  node_.run("CREATE TABLE other.more(k INTEGER PRIMARY KEY); INSERT INTO more VALUES(1)");
  EXPECT_EQ(other.outbox().size(), 1u);
}

TEST_F(WalModeCapture, open_connection_follows_the_mode_with_statements_that_it_has_prepared) {
  Statement insert(node_.db(), "INSERT INTO t VALUES(?1, 'y')");
  std::int64_t k = 10, wanted = 0;
  for (int round = 0; round < 3; ++round) {
    insert.bind(1, ++k).run();
    EXPECT_EQ(chunks(), ++wanted);
    put_into(CaptureMode::kWal);
    insert.bind(1, ++k).run();
    node_.run("UPDATE t SET a = 'z' WHERE k = 1; CREATE TABLE w(k INTEGER PRIMARY KEY); DROP TABLE w");
    EXPECT_EQ(chunks(), wanted);
    put_into(CaptureMode::kSession);
  }
}

TEST_F(WalModeCapture, open_connection_follows_the_mode_where_triggers_are_off) {
  sqlite3_db_config(node_.db().handle(), SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  put_into(CaptureMode::kWal);
  Database late = unit::open_captured(node_.path());  // which has never seen it in session mode
  sqlite3_db_config(late.handle(), SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  Statement insert(late, "INSERT INTO t VALUES(?1, 'y')");
  node_.run("INSERT INTO t VALUES(2, 'y')");
  insert.bind(1, std::int64_t{3}).run();
  EXPECT_EQ(chunks(), 0);
  put_into(CaptureMode::kSession);
  node_.run("INSERT INTO t VALUES(4, 'y')");
  EXPECT_EQ(chunks(), 1);
  insert.bind(1, std::int64_t{5}).run();
  EXPECT_EQ(chunks(), 2);
}

TEST_F(WalModeCapture, transaction_that_has_read_before_the_change_cannot_write_after_it) {
  node_.run("BEGIN");
  EXPECT_EQ(node_.db().query_integer("SELECT count(*) FROM t"), 1);
  sqlite3_busy_timeout(node_.db().handle(), 0);
  std::string why;
  try {
    Database other(node_.path(), Database::Mode::kReadWrite);
    sqlite3_busy_timeout(other.handle(), 0);
    install_capture(other.handle(), *SqliteHost::get(), std::nullopt, CaptureFor::kColony);
    WriteTransaction transaction(other);
    set_capture_mode(other, CaptureMode::kWal);
    transaction.commit();
  } catch (const SqliteError& error) {
    why = error.what();
  }
  // A database in memory has no snapshots: there the change has to wait.
  EXPECT_NE(why.find("locked"), std::string::npos) << why;
  node_.run("INSERT INTO t VALUES(2, 'y'); COMMIT");
  EXPECT_EQ(chunks(), 1);
}

// Whatever is done, and whatever the connection has seen before: it is captured in session mode
// and in no other.
TEST_F(WalModeCapture, each_commit_is_captured_in_session_mode_and_only_there) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    MemoryNode node(kSchema, "a", seed % 2 == 0 ? GuardKind::kIndex : GuardKind::kTriggers);
    agree_on_definitions(node.db());
    node.run("INSERT OR REPLACE INTO __colony_meta(key, value) VALUES('left_out_known', 1)");
    std::vector<Database> apps;
    for (int i = 0; i < 3; ++i) apps.push_back(unit::open_captured(node.path()));
    CaptureMode mode = CaptureMode::kSession;
    std::string k = "100";
    std::int64_t wanted = 0;
    for (int step = 0; step < 30; ++step) {
      Database& app = apps[random() % apps.size()];
      k = std::to_string(1000 * (seed + 1) + static_cast<unsigned>(step));
      switch (random() % 8) {
        case 0:
        case 1:
          mode = mode == CaptureMode::kSession ? CaptureMode::kWal : CaptureMode::kSession;
          put_into_mode(node.path(), mode);
          continue;
        case 2:
          app.execute("CREATE TABLE n" + k + "(k INTEGER PRIMARY KEY)");
          if (mode == CaptureMode::kWal) {  // the sidecar would take it in
            Statement(node.db(), "INSERT INTO __colony_tables(name) VALUES(?1)").bind(1, "n" + k).run();
            agree_on_definitions(node.db());
          }
          break;
        case 3:
          app.execute("BEGIN; SAVEPOINT s; INSERT INTO t VALUES(" + k +
                      ", 0); ROLLBACK TO s; INSERT INTO u(k) VALUES('" + k + "'); COMMIT");
          break;
        case 4:
          app.execute("ALTER TABLE u ADD COLUMN c" + k);
          agree_on_definitions(node.db());
          break;
        default:
          app.execute("INSERT INTO t VALUES(" + k + ", 'y')");
      }
      wanted += mode == CaptureMode::kSession;
      ASSERT_EQ(node.outbox().size(), static_cast<std::size_t>(wanted)) << "step " << step;
    }
  }
}

// As the sidecar judges what it finds in the write-ahead log.
TEST_F(WalModeCapture, judge_takes_tables_in_and_guards_none) {
  put_into(CaptureMode::kWal);
  Database db(node_.path(), Database::Mode::kReadWrite);
  SchemaJudge judge(db.handle(), "main", *SqliteHost::get());
  judge.load();
  WriteTransaction transaction(db);
  judge.note_before();
  const auto run = [&](const std::string& sql) {
    if (auto statement = table_statement(sql)) judge.history().begin(std::move(*statement));
    db.execute(sql);
    judge.history().settle();
    judge.load();
  };
  run("CREATE TABLE later(k INTEGER PRIMARY KEY, a)");
  run("ALTER TABLE t RENAME TO renamed");
  run("ALTER TABLE u ADD COLUMN b");
  EXPECT_EQ(judge.trouble_with("u"), "");
  judge.judge();
  const std::vector<std::string> made = judge.new_tables();
  EXPECT_EQ(made, std::vector<std::string>{"later"});
  const SchemaChanges changes = judge.changes();
  EXPECT_EQ(changes.size(), 3u);
  judge.follow(changes);
  for (const std::string& table : made) judge.take_in(table);
  judge.settle_guards();
  transaction.commit();
  EXPECT_EQ(replicated_tables(db), (std::vector<std::string>{"later", "renamed", "u"}));
  EXPECT_EQ(unit::rows(db,
                       "(SELECT name FROM sqlite_schema WHERE tbl_name NOT GLOB '__colony*' AND name GLOB "
                       "'__colony*')"),
            "");
}

}  // namespace
}  // namespace colony
