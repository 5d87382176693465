// Rows and schema changes of one program, in every order: captured, or refused at the commit.
#include <gtest/gtest.h>

#include <random>

#include "replicator/store/file_layout.h"
#include "sqlite_ext/capture.h"
#include "sqlite_ext/schema_change.h"
#include "sqlite_ext/table_definition.h"
#include "tests/unit/memory_node.h"

namespace colony {
namespace {

using unit::MemoryNode;

constexpr const char* kSchema = "CREATE TABLE t(k INTEGER PRIMARY KEY, a); CREATE TABLE u(k INTEGER PRIMARY KEY, a)";

// A node whose tables are agreed on, with a row in each, as after colony init.
class CaptureSchema : public testing::TestWithParam<GuardKind> {
 protected:
  CaptureSchema() {
    for (const char* table : {"t", "u"}) agree_on_definition(node_.db(), table);
    node_.run(
        "INSERT INTO __colony_meta VALUES('left_out_known', '1'); INSERT INTO t VALUES(1, 'one'); "
        "INSERT INTO u VALUES(1, 'one')");
  }

  std::string refusal(const std::string& sql) {
    const std::string error = unit::error_of(node_.db(), sql);
    if (node_.db().in_transaction()) node_.run("ROLLBACK");
    return error;
  }
  // The refusal says so, is one line that says what to do, and nothing has changed.
  void expect_refused(const std::string& sql, const std::string& what) {
    const std::string before = schema();
    const std::size_t sent = node_.outbox().size();
    const std::string error = refusal(sql);
    EXPECT_NE(error.find(what), std::string::npos) << sql << ": " << error;
    EXPECT_NE(error.find("docs/operations.md"), std::string::npos) << error;
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
    EXPECT_EQ(schema(), before) << sql;
    EXPECT_EQ(node_.outbox().size(), sent) << sql;
  }
  // What it has put into the outbox besides rows.
  std::string changes_of(const std::string& sql) {
    const std::size_t before = node_.outbox().size();
    EXPECT_EQ(refusal(sql), "") << sql;
    std::string all;
    for (std::size_t i = before; i < node_.outbox().size(); ++i) {
      for (const SchemaChange& change : split_schema(node_.outbox()[i]).schema) {
        const char* const kinds[] = {"", "create", "drop", "add", "rename to", "rename column to", "remake", "replace"};
        all += (all.empty() ? "" : "; ") + change.name + (change.column.empty() ? "" : "." + change.column) + ": " +
               kinds[static_cast<int>(change.kind)] + (change.to.empty() ? "" : " " + change.to) +
               (change.kind == SchemaChange::Kind::kAddColumn ? " " + change.sql : "");
      }
    }
    return all;
  }
  std::string schema() { return unit::rows(node_.db(), "(SELECT type, name, tbl_name, sql FROM sqlite_schema)"); }

  MemoryNode node_{kSchema, "a", GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Guards, CaptureSchema, testing::Values(GuardKind::kIndex, GuardKind::kTriggers),
                         [](const auto& of) { return of.param == GuardKind::kIndex ? "index" : "triggers"; });

TEST_P(CaptureSchema, rows_and_a_column_that_is_added_are_one_section_under_the_newest_columns) {
  EXPECT_EQ(node_.captured("BEGIN; INSERT INTO u VALUES(2, 'two'); ALTER TABLE t ADD COLUMN c DEFAULT 7; "
                           "UPDATE t SET c = 'x'; COMMIT"),
            "u + 2 'two'\nt ~ 1 . 7>'x'\n");
  EXPECT_EQ(node_.captured("BEGIN; UPDATE u SET a = 'x' WHERE k = 1; INSERT INTO u VALUES(3, 'three'); DELETE FROM u "
                           "WHERE k = 2; ALTER TABLE u ADD COLUMN d TEXT DEFAULT 5; UPDATE u SET d = 'y' WHERE k = 1; "
                           "INSERT INTO u VALUES(2, 'again', 'z'); UPDATE u SET a = 'x3' WHERE k = 3; COMMIT"),
            "u ~ 1 'one'>'x' '5'>'y'\nu ~ 2 'two'>'again' '5'>'z'\nu + 3 'x3' '5'\n");
}

TEST_P(CaptureSchema, column_that_was_rolled_back_is_none) {
  EXPECT_EQ(node_.captured("BEGIN; SAVEPOINT s; ALTER TABLE t ADD COLUMN c DEFAULT 7; UPDATE t SET c = 'x'; "
                           "ROLLBACK TO s; ALTER TABLE t ADD COLUMN d DEFAULT 8; UPDATE t SET d = 'y'; COMMIT"),
            "t ~ 1 . 8>'y'\n");
  EXPECT_EQ(node_.captured("BEGIN; UPDATE t SET a = 'b'; SAVEPOINT s; ALTER TABLE t ADD COLUMN c DEFAULT 7; "
                           "UPDATE t SET c = 'x'; ROLLBACK TO s; UPDATE u SET a = 'b'; COMMIT"),
            "t ~ 1 'one'>'b' .\nu ~ 1 'one'>'b'\n");
  EXPECT_EQ(node_.captured("BEGIN; ALTER TABLE t ADD COLUMN c DEFAULT 7; ROLLBACK; UPDATE t SET a = 'c'"),
            "t ~ 1 'b'>'c' .\n");
}

TEST_P(CaptureSchema, added_column_is_agreed_on_in_the_same_commit) {
  node_.run("BEGIN; ALTER TABLE t ADD COLUMN c DEFAULT 7; COMMIT");
  EXPECT_EQ(agreed_definitions(node_.db())["t"], *read_table_definition(node_.db().handle(), "main", "t"));
  node_.run("ALTER TABLE t ADD COLUMN d DEFAULT 7");
  EXPECT_EQ(agreed_definitions(node_.db())["t"], *read_table_definition(node_.db().handle(), "main", "t"));
  EXPECT_EQ(node_.captured("UPDATE t SET d = 1"), "t ~ 1 . . 7>1\n");
}

TEST_P(CaptureSchema, what_makes_no_node_differ_is_allowed) {
  for (const char* sql : {"CREATE INDEX i ON t(a)",
                          "CREATE VIEW v AS SELECT * FROM t",
                          "DROP INDEX i",
                          "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END",
                          "CREATE TABLE empty(k PRIMARY KEY)",
                          "CREATE TABLE keyless AS SELECT * FROM t",
                          "INSERT INTO keyless VALUES(1, 2)",
                          "VACUUM",
                          "ANALYZE",
                          "REINDEX",
                          "CREATE TEMP TABLE x(k PRIMARY KEY)",
                          "INSERT INTO x VALUES(1)",
                          "DROP TABLE temp.x",
                          "DROP TABLE empty",
                          "CREATE UNIQUE INDEX other ON keyless(a)",
                          "DROP TRIGGER r",
                          "DROP VIEW v",
                          "BEGIN; CREATE TABLE x(k PRIMARY KEY); INSERT INTO x VALUES(1); DELETE FROM x; COMMIT",
                          "CREATE VIRTUAL TABLE f USING fts5(x)",
                          "INSERT INTO f VALUES('word')"}) {
    EXPECT_EQ(refusal(sql), "") << sql;
  }
  EXPECT_EQ(node_.captured("UPDATE t SET a = 'b'"), "t ~ 1 'one'>'b'\n");
}

// What SQLite has no statement for, or Colony needs.
TEST_P(CaptureSchema, what_cannot_be_told_to_other_nodes_is_refused_at_the_commit) {
  expect_refused("DROP TRIGGER __colony_insert_t", "table t has lost");
  if (GetParam() == GuardKind::kIndex) expect_refused("DROP INDEX __colony_guard_u", "table u has lost");
  for (const char* remake : {"CREATE TABLE n(k INTEGER PRIMARY KEY, a, b); INSERT INTO n SELECT k, a, 1 FROM t; "
                             "DROP TABLE t; ALTER TABLE n RENAME TO t",
                             "ALTER TABLE t RENAME TO o; CREATE TABLE t(k INTEGER PRIMARY KEY, b); DROP TABLE o",
                             "ALTER TABLE t DROP COLUMN a"}) {
    expect_refused(std::string("BEGIN; ") + remake + "; ALTER TABLE t RENAME TO v; COMMIT", "got another name");
  }
  for (const char* edit : {"replace(sql, 'a)', 'a CHECK(a > 0))')", "replace(sql, ', a', '')"}) {
    expect_refused(std::string("BEGIN; PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = ") + edit +
                       " WHERE name = 't'; PRAGMA writable_schema = RESET; COMMIT",
                   "table t was altered in a way that SQLite has no statement for");
  }
  EXPECT_NE(refusal("DROP TABLE __colony_outbox"), "");
  EXPECT_NE(refusal("DROP TABLE __colony_capture"), "");
  EXPECT_EQ(node_.captured("UPDATE t SET a = 'b'"), "t ~ 1 'one'>'b'\n");
}

TEST_P(CaptureSchema, what_was_done_to_tables_is_told_as_statements_do_it) {
  EXPECT_EQ(changes_of("ALTER TABLE t RENAME COLUMN a TO \"z z\"; "), "t.a: rename column to z z");
  EXPECT_EQ(changes_of("BEGIN; ALTER TABLE t ADD COLUMN c INT; ALTER TABLE t RENAME TO v; COMMIT"),
            "t: rename to v; v.c: add c INT");
  EXPECT_EQ(changes_of("CREATE UNIQUE INDEX i ON u(a)"), "i: create");
  EXPECT_EQ(changes_of("BEGIN; DROP INDEX i; CREATE INDEX i ON u(a); COMMIT"), "i: replace");
  EXPECT_EQ(changes_of("ALTER TABLE v DROP COLUMN c"), "v: remake");
  EXPECT_EQ(changes_of("BEGIN; SAVEPOINT s; DROP TABLE u; ROLLBACK TO s; DROP TABLE v; COMMIT"), "v: drop");
  EXPECT_EQ(changes_of("BEGIN; DELETE FROM u; ALTER TABLE u ADD COLUMN at DEFAULT CURRENT_TIMESTAMP; COMMIT"),
            "u.at: add at DEFAULT CURRENT_TIMESTAMP");
  EXPECT_EQ(changes_of("DROP TABLE u"), "u: drop");
  EXPECT_EQ(changes_of("CREATE TABLE n AS SELECT 1 AS a"), "n: create");
}

TEST_P(CaptureSchema, table_that_is_made_anew_is_one_change_however_it_is_done) {
  const std::string copy =
      "CREATE TABLE n(k INTEGER PRIMARY KEY, a, b); INSERT INTO n SELECT *, 1 FROM t; DROP TABLE t; "
      "ALTER TABLE n RENAME TO t; ";
  EXPECT_EQ(changes_of("BEGIN; " + copy + "COMMIT"), "t: remake");
  node_.run("CREATE TABLE m(k INTEGER PRIMARY KEY, a, c)");
  EXPECT_EQ(changes_of("BEGIN; INSERT INTO m SELECT k, a, 2 FROM t; DROP TABLE t; ALTER TABLE m RENAME TO t; COMMIT"),
            "m: drop; t: remake");
  EXPECT_EQ(changes_of("BEGIN; DROP TABLE u; CREATE TABLE u(k INTEGER PRIMARY KEY, a); COMMIT"), "u: remake");
  EXPECT_EQ(changes_of("BEGIN; SAVEPOINT s; DROP TABLE t; RELEASE s; CREATE TABLE t(k INTEGER PRIMARY KEY, a); COMMIT"),
            "t: remake");
  EXPECT_EQ(
      changes_of("BEGIN; ALTER TABLE t RENAME TO x; CREATE TABLE t(k INTEGER PRIMARY KEY, c); DROP TABLE x; COMMIT"),
      "t: remake");
  EXPECT_EQ(changes_of("BEGIN; SAVEPOINT s; DROP TABLE t; CREATE TABLE t(k INTEGER PRIMARY KEY, a); ROLLBACK TO s; "
                       "CREATE INDEX fine ON t(c); COMMIT"),
            "fine: create");
}

// SQLite drops no index within a commit, and keeps the names of indexes when it renames a table.
TEST_P(CaptureSchema, renamed_tables_are_guarded_under_their_new_names) {
  const auto expect_guarded = [&](const std::set<std::string>& tables) {
    for (const std::string& table : tables) EXPECT_TRUE(has_guards(node_.db(), table)) << table;
    EXPECT_EQ(node_.db().query_integer("SELECT count(*) FROM sqlite_schema WHERE name GLOB '__colony_guard_*'"),
              GetParam() == GuardKind::kIndex ? static_cast<std::int64_t>(tables.size()) : 0);
    EXPECT_EQ(unit::rows(node_.db(), "(SELECT * FROM pragma_integrity_check)"), "'ok'\n");
  };
  node_.run("ALTER TABLE t RENAME TO v; CREATE TABLE t(k INTEGER PRIMARY KEY, b)");
  expect_guarded({"t", "u", "v"});
  node_.run("ALTER TABLE v DROP COLUMN a");
  node_.run(
      "BEGIN; ALTER TABLE u RENAME TO w; CREATE TABLE u(k INTEGER PRIMARY KEY, c); INSERT INTO u VALUES(1, 2); COMMIT");
  expect_guarded({"t", "u", "v", "w"});
  node_.run("BEGIN; DROP TABLE u; ALTER TABLE t RENAME TO u; COMMIT");
  expect_guarded({"u", "v", "w"});
  node_.run("ALTER TABLE u RENAME COLUMN b TO c");
  node_.run("INSERT INTO u(k, c) VALUES(1, 2); INSERT INTO w VALUES(2, 'w'); INSERT INTO v VALUES(2)");
  expect_guarded({"u", "v", "w"});
  Database other = unit::open_captured(node_.path());
  other.execute("ALTER TABLE w RENAME TO t; INSERT INTO t VALUES(3, 't')");
  expect_guarded({"t", "u", "v"});
}

TEST_P(CaptureSchema, rows_are_captured_after_a_drop_that_failed) {
  node_.run("CREATE VIEW v AS SELECT * FROM absent; CREATE INDEX i ON t(a)");
  for (const char* sql : {"ALTER TABLE t DROP COLUMN a", "DROP TABLE nothing", "ALTER TABLE t DROP COLUMN k"}) {
    EXPECT_NE(refusal(sql), "") << sql;
    EXPECT_EQ(node_.captured("DELETE FROM t; INSERT INTO t VALUES(1, 'one')"), "t - 1 'one'\n--\nt + 1 'one'\n") << sql;
    EXPECT_NE(unit::error_of(node_.db(), std::string("BEGIN; DELETE FROM t; ") + sql), "");
    EXPECT_EQ(
        node_.captured("INSERT INTO t VALUES(1, 'two'); UPDATE t SET a = 'three'; COMMIT; UPDATE t SET a = 'one'"),
        "t ~ 1 'one'>'three'\n--\nt ~ 1 'three'>'one'\n");
  }
}

// The statement was compiled for a schema that another program has changed since: SQLite runs
// it twice, and tells of it once.
TEST_P(CaptureSchema, change_by_a_connection_that_had_read_an_older_schema_is_captured) {
  for (const char* sql : {"CREATE TABLE n(k PRIMARY KEY)", "ALTER TABLE t ADD COLUMN c", "CREATE INDEX i ON t(a)",
                          "ALTER TABLE t RENAME COLUMN a TO b", "DROP TABLE u", "DROP INDEX i"}) {
    Database other = unit::open_captured(node_.path());
    other.execute("CREATE VIEW stale AS SELECT 1; DROP VIEW stale");
    const std::size_t before = node_.outbox().size();
    EXPECT_EQ(refusal(sql), "") << sql;
    ASSERT_EQ(node_.outbox().size(), before + 1) << sql;
    EXPECT_EQ(split_schema(node_.outbox().back()).schema.size(), 1u) << sql;
  }
  node_.run("INSERT INTO n VALUES(1)");
  EXPECT_EQ(unit::shown_changes(node_.outbox().back()), "n + 1\n");
}

TEST_P(CaptureSchema, new_tables_are_not_judged_where_it_is_not_known_what_was_left_out) {
  node_.run("DELETE FROM __colony_meta WHERE key = 'left_out_known'; CREATE TABLE n(k PRIMARY KEY)");
  Database other = unit::open_captured(node_.path());
  EXPECT_EQ(unit::error_of(other, "INSERT INTO n VALUES(1); CREATE TABLE m(k PRIMARY KEY); INSERT INTO m VALUES(1)"),
            "");
}

TEST_P(CaptureSchema, of_chosen_tables_new_ones_are_replicated_that_fit_a_pattern) {
  node_.run(
      "INSERT INTO __colony_meta VALUES('tables', 'chosen'), ('table_patterns', 'shop_*' || char(10) || 'x' || "
      "char(10))");
  Database other = unit::open_captured(node_.path());
  other.execute(
      "CREATE TABLE shop_a(k PRIMARY KEY); CREATE TABLE mine(k PRIMARY KEY); INSERT INTO shop_a VALUES(1); "
      "INSERT INTO mine VALUES(1); CREATE INDEX i ON mine(k)");
  EXPECT_EQ(unit::rows(other, "(SELECT name FROM __colony_tables)"), "'shop_a'\n't'\n'u'\n");
  EXPECT_EQ(unit::shown_changes(node_.outbox().back()), "shop_a + 1\n");
}

TEST_P(CaptureSchema, tables_that_were_left_out_are_the_programs_own) {
  node_.run("CREATE TABLE mine(k PRIMARY KEY); INSERT INTO __colony_left_out VALUES('mine')");
  Database other = unit::open_captured(node_.path());
  EXPECT_EQ(unit::error_of(other, "INSERT INTO mine VALUES(1)"), "");
  EXPECT_EQ(unit::error_of(other, "CREATE UNIQUE INDEX i ON mine(k); ALTER TABLE mine RENAME COLUMN k TO l"), "");
}

TEST_P(CaptureSchema, operator_may_change_the_schema_and_rows_of_other_tables_are_captured) {
  node_.run("SELECT colony_allow_schema_changes()");
  EXPECT_EQ(node_.captured("BEGIN; UPDATE u SET a = 'kept'; UPDATE t SET a = 'not'; "
                           "CREATE TABLE n(k INTEGER PRIMARY KEY, b); INSERT INTO n SELECT * FROM t; DROP TABLE t; "
                           "ALTER TABLE n RENAME TO t; INSERT INTO t VALUES(5, 'neither'); COMMIT"),
            "u ~ 1 'one'>'kept'\n");
}

// By a program without colony.so, or by one that has replaced the trace callback.
TEST_P(CaptureSchema, table_that_somebody_else_has_changed_is_not_written_until_that_is_agreed_on) {
  Database changer = unit::open_captured(node_.path());
  changer.execute("SELECT colony_allow_schema_changes(); CREATE UNIQUE INDEX i ON t(a)");
  for (int i = 0; i < 2; ++i) {
    const std::string error = refusal("UPDATE t SET a = 'b'");
    EXPECT_NE(error.find("table t is no longer what colony init has seen"), std::string::npos) << error;
    EXPECT_NE(error.find("run colony init again on every node"), std::string::npos) << error;
  }
  EXPECT_EQ(node_.captured("UPDATE u SET a = 'b'"), "u ~ 1 'one'>'b'\n");
  EXPECT_EQ(refusal("CREATE VIEW v AS SELECT * FROM t"), "");
  agree_on_definition(changer, "t");
  EXPECT_EQ(node_.captured("UPDATE t SET a = 'b'"), "t ~ 1 'one'>'b'\n");
}

TEST_P(CaptureSchema, rows_and_schema_changes_are_captured_where_triggers_are_off) {
  sqlite3_db_config(node_.db().handle(), SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  EXPECT_EQ(node_.captured("INSERT INTO t VALUES(2, 'b'); BEGIN; UPDATE t SET a = 'c' WHERE k = 1; SAVEPOINT s; DELETE "
                           "FROM u; ROLLBACK TO s; COMMIT; DELETE FROM t"),
            "t + 2 'b'\n--\nt ~ 1 'one'>'c'\n--\nt - 1 'c'\nt - 2 'b'\n");
  EXPECT_EQ(changes_of("DROP TABLE u"), "u: drop");
}

TEST_P(CaptureSchema, first_write_of_a_connection_with_triggers_off_is_captured) {
  for (const char* sql : {"DELETE FROM t", "INSERT INTO t VALUES(9, 'nine')", "REPLACE INTO t VALUES(9, 'n')"}) {
    Database other = unit::open_captured(node_.path());
    sqlite3_db_config(other.handle(), SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
    const std::size_t before = node_.outbox().size();
    other.execute(sql);
    EXPECT_EQ(node_.outbox().size(), before + 1) << sql;
  }
}

TEST_P(CaptureSchema, attached_file_is_watched_like_the_main_one) {
  Database other(unit::new_memory_path(), Database::Mode::kReadWrite);
  ASSERT_EQ(install_capture(other.handle(), *SqliteHost::get()), SQLITE_OK);
  sqlite3_db_config(other.handle(), SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  other.execute("CREATE TABLE t(k PRIMARY KEY); INSERT INTO t VALUES(1); ATTACH '" + node_.path() +
                "' AS \"the 'node\"");
  other.execute("DROP TABLE \"the 'node\".u");
  EXPECT_EQ(split_schema(node_.outbox().back()).schema.size(), 1u);
  const std::size_t before = node_.outbox().size();
  other.execute(
      "UPDATE \"the 'node\".t SET a = 'x'; BEGIN; ALTER TABLE \"the 'node\".t ADD COLUMN c DEFAULT 1; "
      "UPDATE \"the 'node\".t SET c = 2; COMMIT; DROP TABLE main.t");
  ASSERT_EQ(node_.outbox().size(), before + 2);
  EXPECT_EQ(unit::shown_changes(node_.outbox()[before]), "t ~ 1 'one'>'x'\n");
  EXPECT_EQ(unit::shown_changes(node_.outbox()[before + 1]), "t ~ 1 . 1>2\n");
}

// A transaction of rows, added columns and savepoints in random order; and what its
// changeset and then its inverse make of another file with the same columns.
TEST(CaptureSchemaProperty, rows_and_added_columns_in_every_order_come_to_the_same_rows_elsewhere_and_back) {
  for (std::uint32_t seed = 0; seed < 60; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&](int below) { return static_cast<int>(random() % static_cast<unsigned>(below)); };
    MemoryNode node(kSchema, "a", seed % 2 == 0 ? GuardKind::kIndex : GuardKind::kTriggers);
    for (const char* table : {"t", "u"}) agree_on_definition(node.db(), table);
    node.run("INSERT INTO t VALUES(1, 'a'), (2, 'b'); INSERT INTO u VALUES(1, 'c'), (2, 'd')");
    unit::MemoryFold other(kSchema, "INSERT INTO t VALUES(1, 'a'), (2, 'b'); INSERT INTO u VALUES(1, 'c'), (2, 'd')");
    std::string script = "BEGIN";
    int columns = 0;
    for (int n = 0; n < 25; ++n) {
      const std::string table = pick(2) == 0 ? "t" : "u", key = std::to_string(pick(5));
      Statement names(node.db(), "SELECT name FROM pragma_table_info(?1) WHERE pk = 0 ORDER BY random()");
      names.bind(1, table).step();
      const std::string column(names.text(0));
      names.reset();
      const std::string value = pick(3) == 0 ? "7" : "'v" + std::to_string(n) + "'";
      std::string sql;
      switch (pick(9)) {
        case 0:
          sql = "ALTER TABLE " + table + " ADD COLUMN c" + std::to_string(columns++) +
                (pick(2) == 0   ? " REAL DEFAULT 7"
                 : pick(2) == 0 ? " TEXT NOT NULL DEFAULT 5"
                                : " DEFAULT x'00'");
          break;
        case 1:
          sql = "SAVEPOINT s";
          break;
        case 2:
          sql = pick(2) == 0 ? "ROLLBACK TO s" : "RELEASE s";
          break;
        case 3:
        case 4:
          sql = "REPLACE INTO " + table + "(k, " + column + ") VALUES(" + key + ", " + value + ")";
          break;
        case 5:
          sql = "DELETE FROM " + table + " WHERE k = " + key;
          break;
        default:
          sql = "UPDATE " + table + " SET " + column + " = " + value + " WHERE k = " + key;
      }
      if (n == 0) node.run("DELETE FROM __colony_outbox; BEGIN");
      if (unit::error_of(node.db(), sql).empty()) script += "; " + sql;
    }
    ASSERT_EQ(unit::error_of(node.db(), "COMMIT"), "") << "seed " << seed << ": " << script;
    for (const char* table : {"t", "u"}) {
      Statement added(node.db(), "SELECT name, type, \"notnull\", dflt_value FROM pragma_table_info(?1) WHERE cid > 1");
      added.bind(1, table);
      while (added.step()) {
        other.db().execute("ALTER TABLE " + std::string(table) + " ADD COLUMN " + std::string(added.text(0)) + " " +
                           std::string(added.text(1)) + (added.integer(2) != 0 ? " NOT NULL" : "") + " DEFAULT " +
                           std::string(added.text(3)));
      }
    }
    other.reload();
    const auto rows = [](auto& file) { return file.rows("t") + "--\n" + file.rows("u"); };
    const std::string before = rows(other);
    for (const std::string& changeset : node.outbox()) {
      EXPECT_EQ(other.apply(changeset), "") << "seed " << seed << ": " << script;
      EXPECT_EQ(rows(other), rows(node)) << "seed " << seed << ": " << script;
      other.apply(unit::inverted(changeset));
      EXPECT_EQ(rows(other), before) << "seed " << seed << ": " << script;
      other.apply(changeset);
    }
    ASSERT_EQ(rows(other), rows(node)) << "seed " << seed << ": " << script;
  }
}

struct Seen {
  int statements = 0;
  static int count(unsigned, void* seen, void*, void*) {
    ++static_cast<Seen*>(seen)->statements;
    return 0;
  }
};

TEST_P(CaptureSchema, trace_callback_of_the_app_sees_its_statements_and_schema_changes_are_captured) {
  ASSERT_TRUE(SqliteHost::get()->trace_offsets.has_value());
  Database other(node_.path(), Database::Mode::kReadWrite);
  Seen before, after;
  sqlite3_trace_v2(other.handle(), SQLITE_TRACE_STMT, Seen::count, &before);
  ASSERT_EQ(install_capture(other.handle(), *SqliteHost::get()), SQLITE_OK);
  const std::size_t sent = node_.outbox().size();
  other.execute("CREATE INDEX i ON t(a)");
  EXPECT_EQ(node_.outbox().size(), sent + 1);
  EXPECT_GE(before.statements, 1);
  const int seen = before.statements;
  other.execute("SELECT 1");
  EXPECT_EQ(before.statements, seen + 1);
  sqlite3_trace_v2(other.handle(), SQLITE_TRACE_STMT, Seen::count, &after);
  other.execute("UPDATE u SET a = 'x'");
  EXPECT_GE(after.statements, 1);
  other.execute("BEGIN; UPDATE u SET a = 'y'; DROP TABLE t; COMMIT");
  EXPECT_EQ(split_schema(node_.outbox().back()).schema.size(), 1u);
  EXPECT_EQ(before.statements, seen + 1);
  sqlite3_trace_v2(other.handle(), 0, nullptr, nullptr);
}

}  // namespace
}  // namespace colony
