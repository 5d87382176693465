#include "replicator/membership/enrollment.h"

#include <gtest/gtest.h>

#include <fstream>

#include "replicator/log/error.h"
#include "replicator/status/status.h"
#include "replicator/store/file_layout.h"
#include "tests/unit/memory_node.h"
#include "tests/unit/temporary_folder.h"

namespace colony {
namespace {

constexpr const char* kSchema =
    "CREATE TABLE t(k INTEGER PRIMARY KEY, u UNIQUE); CREATE TABLE names(name TEXT PRIMARY KEY);"
    "CREATE TABLE keyless(a); INSERT INTO t VALUES(1, 'x')";

class EnrollmentTest : public testing::Test {
 protected:
  EnrollmentTest() { make(path_, kSchema); }

  static void make(const std::string& path, const std::string& sql) {
    std::ofstream(path).close();
    Database(path, Database::Mode::kReadWrite).execute(sql);
  }
  Database open(const std::string& path) { return unit::open_captured(path); }
  Database open() { return open(path_); }

  EnrollReport enroll(const std::string& node, std::optional<std::vector<std::string>> tables = std::nullopt) {
    return enroll_at(path_, node, std::move(tables));
  }
  EnrollReport enroll_at(const std::string& path, const std::string& node,
                         std::optional<std::vector<std::string>> tables = std::nullopt) {
    return colony::enroll({path, "team", node, std::move(tables)});
  }
  std::string refusal(const EnrollRequest& request) {
    try {
      colony::enroll(request);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }
  static void meet_log(Database& db) { db.execute("INSERT INTO __colony_meta VALUES('epoch', 'e')"); }
  std::string copy_to(const std::string& name) {
    open().execute("PRAGMA wal_checkpoint(TRUNCATE)");
    std::filesystem::copy_file(path_, folder_ / name);
    return folder_ / name;
  }

  unit::TemporaryFolder folder_;
  std::string path_ = folder_ / "app.db";
};

using Names = std::vector<std::string>;

TEST_F(EnrollmentTest, file_becomes_a_node) {
  const EnrollReport report = enroll("north");
  EXPECT_EQ(report.outcome, EnrollReport::Outcome::kNew);
  EXPECT_EQ(report.replicated, (Names{"names", "t"}));
  EXPECT_EQ(report.self_numbered, (Names{"t"}));
  ASSERT_EQ(report.left_out.size(), 1u);
  EXPECT_EQ(report.left_out[0].table, "keyless");
  EXPECT_EQ(report.left_out[0].why, "has no PRIMARY KEY");

  Database db = open();
  NodeFile file(db);
  EXPECT_EQ(file.identity().cluster, "team");
  EXPECT_EQ(file.identity().node, "north");
  EXPECT_NE(file.identity().incarnation, Incarnation(0));
  EXPECT_EQ(file.home(), home_of(path_));
  EXPECT_EQ(file.position(), Sequence(0));
  EXPECT_EQ(db.query_text("PRAGMA journal_mode"), "wal");
  EXPECT_EQ(replicated_tables(db), (Names{"names", "t"}));
  EXPECT_TRUE(has_guards(db, "t"));
  EXPECT_EQ(unit::rows(db, "t"), "1 'x'\n");
  EXPECT_EQ(db.query_integer("SELECT colony_pending()"), 0);
}

TEST_F(EnrollmentTest, again_changes_nothing) {
  enroll("north");
  Database db = open();
  db.execute("INSERT INTO t VALUES(2, 'pending')");
  const Identity before = NodeFile(db).identity();
  const std::string schema = unit::rows(db, "(SELECT name, sql FROM sqlite_schema)");
  const EnrollReport report = enroll("north");
  EXPECT_EQ(report.outcome, EnrollReport::Outcome::kUnchangedIdentity);
  EXPECT_EQ(NodeFile(db).identity().incarnation, before.incarnation);
  EXPECT_EQ(unit::rows(db, "(SELECT name, sql FROM sqlite_schema)"), schema);
  EXPECT_EQ(db.query_integer("SELECT colony_pending()"), 1);
}

TEST_F(EnrollmentTest, again_takes_in_new_tables_and_lets_dropped_ones_go) {
  enroll("north");
  open().execute("SELECT colony_allow_schema_changes(); CREATE TABLE later(k INTEGER PRIMARY KEY); DROP TABLE names");
  EXPECT_EQ(enroll("north").replicated, (Names{"later", "t"}));
  Database db = open();
  EXPECT_TRUE(has_guards(db, "later"));
  EXPECT_EQ(replicated_tables(db), (Names{"later", "t"}));
}

TEST_F(EnrollmentTest, again_mends_the_guards_of_a_table_that_was_rebuilt_or_renamed) {
  enroll("north");
  Database db = open();
  db.execute(
      "SELECT colony_allow_schema_changes(); CREATE TABLE fresh(k INTEGER PRIMARY KEY, u UNIQUE, more); INSERT INTO "
      "fresh SELECT k, u, 1 FROM t;"
      "DROP TABLE t; ALTER TABLE fresh RENAME TO t; ALTER TABLE names RENAME TO labels");
  EXPECT_EQ(enroll("north").replicated, (Names{"labels", "t"}));
  EXPECT_TRUE(has_guards(db, "t"));
  EXPECT_TRUE(has_guards(db, "labels"));
  EXPECT_EQ(db.query_integer("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'"), 6);
  db.execute("INSERT INTO t VALUES(5, 'y', 2); INSERT INTO labels VALUES('l')");
  EXPECT_EQ(db.query_integer("SELECT colony_pending()"), 2);
}

TEST_F(EnrollmentTest, again_says_what_it_accepts_and_notes_it_until_it_is_compared) {
  EXPECT_EQ(enroll("north").unchecked, 0);
  Database plain = open();
  meet_log(plain);
  plain.execute("SELECT colony_allow_schema_changes()");
  plain.execute(
      "CREATE TABLE fresh(k INTEGER PRIMARY KEY, u); INSERT INTO fresh SELECT k, u FROM t; DROP TABLE t;"
      "ALTER TABLE fresh RENAME TO t; DROP TABLE names; CREATE TABLE old(k PRIMARY KEY); INSERT INTO old VALUES('x');"
      "CREATE TABLE empty(k PRIMARY KEY)");
  const EnrollReport report = enroll("north");
  std::string changes;
  for (const ChangedTable& change : report.changes) changes += change.table + " " + change.what + "\n";
  EXPECT_EQ(changes,
            "names is gone: it was dropped; it is replicated no more\n"
            "old is replicated from now on; its 1 row from before is not sent\n"
            "t was made anew (UNIQUE(u) is gone), and what was written to it since is not captured; it is accepted as "
            "it is now\n");
  EXPECT_EQ(report.unchecked, 2);
  EXPECT_EQ(plain.query_text("SELECT group_concat(name || ': ' || why) FROM __colony_unchecked"),
            "old: was taken in with rows from before,t: was made anew (UNIQUE(u) is gone), and what was written to it "
            "since is not captured");
  EXPECT_EQ(plain.query_integer("SELECT count(*) FROM __colony_unchecked WHERE abs(since - strftime('%s', 'now')) > "
                                "3600"),
            0);
  EXPECT_TRUE(find_schema_changes(plain).empty());
  EXPECT_TRUE(enroll("north").changes.empty());  // said once, and noted still
  EXPECT_EQ(enroll("north").unchecked, 2);
}

TEST_F(EnrollmentTest, tables_that_are_left_out_are_listed) {
  enroll("north");
  EXPECT_EQ(unit::rows(*std::make_unique<Database>(open()), "__colony_left_out"), "'keyless'\n");
  enroll("north", {{"t"}});
  EXPECT_EQ(unit::rows(*std::make_unique<Database>(open()), "__colony_left_out"), "'keyless'\n'names'\n");
}

// Its rows are compared with the colony's when it joins.
TEST_F(EnrollmentTest, nothing_is_noted_of_a_file_that_has_met_no_colony) {
  enroll("north");
  Database(path_, Database::Mode::kReadWrite).execute("CREATE TABLE old(k PRIMARY KEY); INSERT INTO old VALUES('x')");
  EXPECT_EQ(enroll("north").unchecked, 0);
}

TEST_F(EnrollmentTest, what_waits_to_be_sent_must_fit_the_tables) {
  enroll("north");
  Database db = open();
  db.execute("INSERT INTO names VALUES('x'); INSERT INTO t VALUES(2, 'y'); SELECT colony_allow_schema_changes()");
  const std::string dropped = refusal({path_, "team", "north", Names{"t"}});
  EXPECT_NE(dropped.find("a transaction waits to be sent that changed table names as it was"), std::string::npos)
      << dropped;
  db.execute("ALTER TABLE t RENAME COLUMN u TO v; INSERT INTO t VALUES(3, 'z')");
  const std::string renamed = refusal({path_, "team", "north", std::nullopt});
  EXPECT_NE(renamed.find("changed table t as it was: take the change of that table back"), std::string::npos)
      << renamed;
  db.execute("ALTER TABLE t RENAME COLUMN v TO u");
  EXPECT_EQ(refusal({path_, "team", "north", std::nullopt}), "");
}

TEST_F(EnrollmentTest, a_chosen_table_that_was_renamed_stays_chosen) {
  enroll("north", Names{"t"});
  Database db = open();
  db.execute("SELECT colony_allow_schema_changes(); ALTER TABLE t RENAME TO v");
  const EnrollReport report = enroll("north");
  EXPECT_EQ(report.replicated, (Names{"v"}));
  ASSERT_EQ(report.changes.size(), 1u);
  EXPECT_EQ(report.changes[0].what, "is gone: it was renamed to v; it is replicated no more");
}

TEST_F(EnrollmentTest, what_nobody_was_told_of_is_not_guarded) {
  EnrollRequest request{path_, "team", "north", std::nullopt};
  request.before_change = [&](const std::vector<std::string>& tables) {
    EXPECT_EQ(tables, (Names{"names", "t"}));
    Database(path_, Database::Mode::kReadWrite).execute("CREATE TABLE later(k PRIMARY KEY)");
  };
  EXPECT_EQ(refusal(request), "table later was made or changed just now: run colony init again");
  request.before_change = [](const auto&) {};
  EXPECT_EQ(refusal(request), "");
}

TEST_F(EnrollmentTest, a_chosen_table_that_is_gone_leaves_the_choice) {
  enroll("north", {{"t", "names"}});
  Database(path_, Database::Mode::kReadWrite).execute("DROP TABLE names");
  EXPECT_EQ(enroll("north").replicated, (Names{"t"}));
}

TEST_F(EnrollmentTest, chosen_tables_are_remembered) {
  EXPECT_EQ(enroll("north", {{"t"}}).replicated, (Names{"t"}));
  open().execute("CREATE TABLE later(k INTEGER PRIMARY KEY)");
  EXPECT_EQ(enroll("north").replicated, (Names{"t"}));
  EXPECT_EQ(enroll("north", {{"later"}}).replicated, (Names{"later"}));
  Database db = open();
  EXPECT_FALSE(has_guards(db, "t"));
  EXPECT_TRUE(has_guards(db, "later"));
}

TEST_F(EnrollmentTest, copy_gets_a_name_and_life_of_its_own) {
  enroll("north");
  Database db = open();
  db.execute("UPDATE __colony_meta SET value = 40 WHERE key = 'position'");
  db.execute("INSERT INTO t VALUES(2, 'pending'); UPDATE t SET u = 'changed' WHERE k = 1; DELETE FROM t WHERE k = 2");
  const Incarnation incarnation = NodeFile(db).identity().incarnation;
  const std::string copy = copy_to("copy.db");

  const EnrollReport report = enroll_at(copy, "south");
  EXPECT_EQ(report.outcome, EnrollReport::Outcome::kCopyRenamed);
  EXPECT_EQ(report.former_node, "north");
  Database copied = open(copy);
  NodeFile file(copied);
  EXPECT_EQ(file.identity().node, "south");
  EXPECT_NE(file.identity().incarnation, incarnation);
  EXPECT_EQ(file.home(), home_of(copy));
  EXPECT_EQ(file.position(), Sequence(40));
  EXPECT_EQ(file.absorbed(), ChunkNumber(0));
  EXPECT_EQ(file.pending_transactions(), 0);
  EXPECT_EQ(unit::rows(copied, "t"), "1 'x'\n");  // the log will bring what was pending
  EXPECT_EQ(unit::rows(db, "t"), "1 'changed'\n");
  copied.execute("INSERT INTO t VALUES(9, 'own')");
  EXPECT_EQ(copied.query_integer("SELECT piece FROM __colony_outbox"), 1);
}

TEST_F(EnrollmentTest, copy_undoes_what_a_redo_really_changed) {
  enroll("north");
  Database db = open();
  db.execute("INSERT INTO t VALUES(2, 'pending')");
  // As after a rebase: the redo found nothing to do.
  db.execute("DELETE FROM __colony_outbox WHERE 0; UPDATE __colony_outbox SET effect = x''");
  const std::string copy = copy_to("copy.db");
  enroll_at(copy, "south");
  Database copied = open(copy);
  EXPECT_EQ(unit::rows(copied, "t"), "1 'x'\n2 'pending'\n");
}

TEST_F(EnrollmentTest, copy_forgets_the_journal_of_what_was_pending) {
  enroll("north");
  Database db = open();
  db.execute(
      "INSERT INTO t VALUES(2, 'pending'); INSERT INTO __colony_conflicts VALUES(0, 'north', 1, 0, 'k', 't', "
      "'{}', '{}'), (3, 'b', 1, 0, 'k', 't', '{}', '{}')");
  const std::string copy = copy_to("copy.db");
  enroll_at(copy, "south");
  Database copied = open(copy);
  EXPECT_EQ(copied.query_integer("SELECT sum(sequence) FROM __colony_conflicts"), 3);
}

TEST_F(EnrollmentTest, copy_under_a_name_that_another_has_is_refused) {
  enroll("north");
  Database db = open();
  NodeFile(db).set_origin("south", {Incarnation(5), ChunkNumber(1), Sequence(1), "host", "/their.db", "1"});
  const std::string copy = copy_to("copy.db");
  EXPECT_NE(refusal({copy, "team", "south", {}}).find("belongs to host:/their.db already"), std::string::npos);
  Database copied = open(copy);
  EXPECT_EQ(NodeFile(copied).identity().node, "north");
}

TEST_F(EnrollmentTest, node_is_not_renamed_in_place) {
  enroll("north");
  EXPECT_NE(refusal({path_, "team", "south", {}}).find("is node north of colony team already"), std::string::npos);
}

TEST_F(EnrollmentTest, restored_backup_takes_what_it_wrote_to_its_new_name) {
  enroll("north");
  Database db = open();
  // Chunks 1 to 4 were absorbed before the backup; 5 was written since.
  db.execute("UPDATE __colony_meta SET value = 4 WHERE key = 'absorbed'; INSERT INTO t VALUES(2, 'pending')");
  const EnrollReport report = colony::enroll({path_, "team", "south", std::nullopt, true});
  EXPECT_EQ(report.outcome, EnrollReport::Outcome::kCopyRenamed);
  EXPECT_EQ(report.pending, 1);
  EXPECT_EQ(unit::rows(db, "t"), "1 'x'\n2 'pending'\n");
  EXPECT_EQ(db.query_integer("SELECT min(piece) FROM __colony_outbox"), 1);
  EXPECT_EQ(db.query_integer("SELECT colony_pending()"), 1);
}

TEST_F(EnrollmentTest, another_colonys_file_is_refused_with_its_name) {
  enroll("north");
  const std::string error = refusal({path_, "others", "north", {}});
  EXPECT_NE(error.find("belongs to colony team as node north"), std::string::npos) << error;
  EXPECT_NE(error.find("colony detach"), std::string::npos) << error;
}

TEST_F(EnrollmentTest, copy_under_a_running_sidecar_is_not_renamed) {
  enroll("north");
  const std::string copy = copy_to("copy.db");
  const auto sidecar = Status::beside(copy);
  EXPECT_NE(refusal({copy, "team", "south", {}}).find("a sidecar runs on"), std::string::npos);
}

TEST_F(EnrollmentTest, names_that_cannot_be_are_refused) {
  EXPECT_NE(refusal({path_, "team", "no.rth", {}}).find("'no.rth' cannot be the name of a node"), std::string::npos);
  EXPECT_NE(refusal({path_, "", "north", {}}).find("cannot be the name of a colony"), std::string::npos);
}

TEST_F(EnrollmentTest, what_is_no_database_is_refused) {
  std::ofstream(folder_ / "text.db") << std::string(5000, 'x');
  EXPECT_NE(refusal({folder_ / "text.db", "team", "north", {}}).find("is not an SQLite database"), std::string::npos);
  EXPECT_NE(refusal({folder_ / "missing.db", "team", "north", {}}), "");
  EXPECT_NE(refusal({folder_ / ".", "team", "north", {}}).find("is not a file"), std::string::npos);
}

TEST_F(EnrollmentTest, refusal_leaves_the_file_as_it_was) {
  EXPECT_NE(refusal({path_, "team", "north", {{"keyless"}}}), "");
  EXPECT_NE(refusal({path_, "team", "north", {{"missing"}}}), "");
  Database db = open();
  EXPECT_FALSE(has_layout(db));
  EXPECT_EQ(db.query_text("PRAGMA journal_mode"), "delete");
}

TEST_F(EnrollmentTest, detach_gives_the_file_back) {
  const std::string before = [&] {
    Database db = open();
    return unit::rows(db, "(SELECT type, name, sql FROM sqlite_schema)");
  }();
  enroll("north");
  open().execute("INSERT INTO t VALUES(2, 'kept'); INSERT INTO t VALUES(3, 'too')");
  const DetachReport report = detach(path_);
  EXPECT_EQ(report.unsent_transactions, 2);
  EXPECT_EQ(report.journal_mode, "delete");
  Database plain(path_, Database::Mode::kReadWrite);
  EXPECT_EQ(unit::rows(plain, "(SELECT type, name, sql FROM sqlite_schema)"), before);
  EXPECT_EQ(unit::rows(plain, "t"), "1 'x'\n2 'kept'\n3 'too'\n");
  EXPECT_EQ(plain.query_text("PRAGMA journal_mode"), "delete");
  EXPECT_EQ(unit::error_of(plain, "INSERT INTO t VALUES(4, 'free')"), "");
}

TEST_F(EnrollmentTest, detach_keeps_wal_where_it_was_before) {
  open().query_text("PRAGMA journal_mode = WAL");
  enroll("north");
  EXPECT_EQ(detach(path_).journal_mode, "wal");
}

TEST_F(EnrollmentTest, detach_while_the_app_has_the_file_open_leaves_wal) {
  enroll("north");
  Database app = open();
  EXPECT_EQ(unit::rows(app, "t"), "1 'x'\n");
  EXPECT_EQ(detach(path_).journal_mode, "wal");
  EXPECT_FALSE(has_layout(app));
  EXPECT_EQ(unit::error_of(app, "INSERT INTO t VALUES(4, 'free')"), "");
}

TEST_F(EnrollmentTest, detach_is_refused_where_there_is_nothing_or_a_sidecar_runs) {
  EXPECT_THROW(detach(path_), Error);
  enroll("north");
  const auto sidecar = Status::beside(path_);
  try {
    detach(path_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("stop it first"), std::string::npos);
  }
}

TEST_F(EnrollmentTest, detached_file_can_be_enrolled_as_somebody_else) {
  enroll("north");
  detach(path_);
  EXPECT_EQ(colony::enroll({path_, "others", "east", {}}).outcome, EnrollReport::Outcome::kNew);
}

TEST_F(EnrollmentTest, home_is_the_same_through_a_symbolic_link) {
  std::filesystem::create_symlink(path_, folder_ / "link.db");
  EXPECT_EQ(home_of(folder_ / "link.db"), home_of(path_));
  EXPECT_THROW(home_of(folder_ / "missing.db"), Error);
}

class EnrollmentInModes : public EnrollmentTest {
 protected:
  EnrollRequest request(std::optional<CaptureMode> mode) {
    EnrollRequest request{path_, "team", "north", std::nullopt};
    request.capture = mode;
    return request;
  }
  EnrollReport enroll_as(std::optional<CaptureMode> mode) { return colony::enroll(request(mode)); }
};

TEST_F(EnrollmentInModes, file_in_wal_mode_has_no_guards_and_nobody_is_asked) {
  bool announced = false;
  EnrollRequest wal = request(CaptureMode::kWal);
  wal.before_change = [&](const Names& tables) { announced = !tables.empty(); };
  const EnrollReport report = colony::enroll(wal);
  EXPECT_EQ(report.capture, CaptureMode::kWal);
  EXPECT_FALSE(report.capture_changed);
  EXPECT_EQ(report.replicated, (Names{"names", "t"}));
  EXPECT_EQ(report.null_keys, Names{"names"});
  EXPECT_FALSE(announced);
  Database plain(path_, Database::Mode::kProgram);
  EXPECT_EQ(unit::error_of(plain, "INSERT INTO t VALUES(2, 'y'); INSERT INTO names VALUES(NULL)"), "");
  EXPECT_EQ(unit::rows(plain, "(SELECT name FROM sqlite_schema WHERE name = '__colony_capture' OR type = 'trigger')"),
            "");
  EXPECT_EQ(NodeFile(plain).pending_transactions(), 0);
}

TEST_F(EnrollmentInModes, mode_stays_as_it_was_chosen) {
  EXPECT_EQ(enroll_as(std::nullopt).capture, CaptureMode::kSession);
  EXPECT_EQ(enroll_as(std::nullopt).capture, CaptureMode::kSession);
  const EnrollReport changed = enroll_as(CaptureMode::kWal);
  EXPECT_EQ(changed.capture, CaptureMode::kWal);
  EXPECT_TRUE(changed.capture_changed);
  Database plain(path_, Database::Mode::kProgram);
  plain.execute("CREATE TABLE later(k INTEGER PRIMARY KEY)");
  const EnrollReport again = enroll_as(std::nullopt);
  EXPECT_EQ(again.capture, CaptureMode::kWal);
  EXPECT_FALSE(again.capture_changed);
  EXPECT_EQ(again.replicated, (Names{"later", "names", "t"}));
  EXPECT_EQ(unit::error_of(plain, "INSERT INTO later VALUES(1)"), "");
}

TEST_F(EnrollmentInModes, what_was_pending_stays_so_when_the_mode_changes) {
  enroll_as(CaptureMode::kSession);
  Database app = open();
  app.execute("INSERT INTO t VALUES(2, 'y')");
  enroll_as(CaptureMode::kWal);
  app.execute("INSERT INTO t VALUES(3, 'z')");
  EXPECT_EQ(app.query_integer("SELECT colony_pending()"), 1);
}

class EnrollmentOfMissed : public EnrollmentInModes {
 protected:
  EnrollmentOfMissed() {
    enroll_as(CaptureMode::kSession);
    const Incarnation incarnation = NodeFile(program_).identity().incarnation;
    NodeFile(program_).set_origin("north", {incarnation, ChunkNumber(), Sequence(1), "host", "/app.db", "1"});
    enroll_as(CaptureMode::kWal);
    EXPECT_EQ(unit::rows(program_, "t"), "1 'x'\n");  // it has the schema without guards
    program_.execute("INSERT INTO t VALUES(2, 'nobody has captured this')");
  }

  Database program_{path_, Database::Mode::kProgram};
};

TEST_F(EnrollmentOfMissed, who_comes_back_under_another_name_takes_it_along) {
  const EnrollReport report = colony::enroll({path_, "team", "south", std::nullopt, true});
  EXPECT_EQ(report.outcome, EnrollReport::Outcome::kCopyRenamed);
  EXPECT_EQ(report.unchecked, 0);
  EXPECT_EQ(NodeFile(program_).pending_transactions(), 1);
  EXPECT_EQ(unit::rows(program_, "t"), "1 'x'\n2 'nobody has captured this'\n");
}

TEST_F(EnrollmentOfMissed, tables_are_compared_where_the_log_is_gone) {
  const std::string copy = copy_to("copy.db");
  const EnrollReport report = enroll_at(copy, "south");
  EXPECT_EQ(report.outcome, EnrollReport::Outcome::kCopyRenamed);
  EXPECT_EQ(report.unchecked, 2);
  program_.execute("PRAGMA wal_checkpoint(TRUNCATE); INSERT INTO t VALUES(3, 'nor this')");
  EXPECT_EQ(colony::enroll({path_, "team", "west", std::nullopt, true}).unchecked, 2);
}

TEST_F(EnrollmentInModes, mode_does_not_change_under_a_sidecar) {
  enroll_as(CaptureMode::kSession);
  const std::unique_ptr<Status> sidecar = Status::beside(path_);
  const std::string why = refusal(request(CaptureMode::kWal));
  EXPECT_NE(why.find("a sidecar runs on"), std::string::npos) << why;
  EXPECT_NE(why.find("stop it before the file goes over to wal mode"), std::string::npos) << why;
  EXPECT_EQ(refusal(request(CaptureMode::kSession)), "");
  Database db = open();
  EXPECT_EQ(capture_mode(db), CaptureMode::kSession);
}

TEST_F(EnrollmentInModes, sidecar_does_not_start_while_the_mode_changes) {
  enroll_as(CaptureMode::kSession);
  std::string why;
  EnrollRequest wal = request(CaptureMode::kWal);
  wal.before_change = [&](const Names&) {
    try {
      Status::beside(path_);
    } catch (const Error& error) {
      why = error.what();
    }
  };
  colony::enroll(wal);
  EXPECT_NE(why.find("a sidecar already runs"), std::string::npos) << why;
  EXPECT_NO_THROW(Status::beside(path_));
}

TEST_F(EnrollmentInModes, mode_that_another_init_has_chosen_meanwhile_is_not_taken_back) {
  enroll_as(CaptureMode::kSession);
  EnrollRequest again = request(std::nullopt);
  again.before_change = [&](const Names&) { unit::put_into_mode(path_, CaptureMode::kWal); };
  EXPECT_NE(refusal(again).find("has come into another capture mode just now"), std::string::npos);
  Database db = open();
  EXPECT_EQ(capture_mode(db), CaptureMode::kWal);
}

TEST_F(EnrollmentInModes, there_is_nothing_to_choose_of_guards_in_wal_mode) {
  EnrollRequest wal = request(CaptureMode::kWal);
  wal.guard = GuardKind::kTriggers;
  EXPECT_NE(refusal(wal).find("leave out --guard"), std::string::npos);
  Database db = open();
  EXPECT_FALSE(has_layout(db));
}

TEST_F(EnrollmentInModes, table_that_was_replicated_with_nulls_in_its_key_stays_so) {
  enroll_as(CaptureMode::kWal);
  Database plain(path_, Database::Mode::kProgram);
  plain.execute("INSERT INTO names VALUES(NULL); CREATE TABLE late(k TEXT PRIMARY KEY); INSERT INTO late VALUES(NULL)");
  EXPECT_EQ(enroll_as(std::nullopt).replicated, (Names{"late", "names", "t"}));
  unit::put_into_mode(path_, CaptureMode::kSession);
  plain.execute("CREATE TABLE later(k TEXT PRIMARY KEY); INSERT INTO later VALUES(NULL)");
  const EnrollReport report = enroll_as(std::nullopt);
  EXPECT_EQ(report.replicated, (Names{"late", "names", "t"}));
  EXPECT_EQ(report.left_out.front().table, "keyless");
  EXPECT_EQ(report.left_out.back().table, "later");
}

TEST_F(EnrollmentTest, encrypted_file_is_refused_by_name) {
  std::ofstream(path_, std::ios::binary) << std::string(4096, '\x91');
  const std::string why = refusal({path_, "team", "north", std::nullopt});
  EXPECT_NE(why.find("SQLCipher or another codec"), std::string::npos) << why;
  EXPECT_EQ(why.find('\n'), std::string::npos);
}

}  // namespace
}  // namespace colony
