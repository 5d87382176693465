// Schema changes travel: what one node's program makes, all nodes have at its place in the log.
#include <gtest/gtest.h>

#include "replicator/store/file_layout.h"
#include "tests/unit/memory_sidecar.h"

namespace colony {
namespace {

using unit::MemorySidecar;
using unit::MemoryStream;

constexpr const char* kSchema = "CREATE TABLE t(k INTEGER PRIMARY KEY, a)";

class SchemaChanges : public testing::Test {
 protected:
  SchemaChanges() {
    for (MemorySidecar* node : {&a_, &b_, &c_}) {
      agree_on_definition(node->app().db(), "t");
      node->app().run("INSERT INTO __colony_meta(key, value) VALUES('left_out_known', 1)");
    }
    settle();
  }
  void settle() { unit::settle({&a_, &b_, &c_}); }

  // As people would have it, Colony's own aside.
  static std::string schema(MemorySidecar& node) {
    return unit::rows(node.app().db(),
                      "(SELECT type, name, sql FROM sqlite_schema WHERE sql NOTNULL AND name NOT LIKE '!_!_colony%' "
                      "ESCAPE '!' AND tbl_name NOT LIKE '!_!_colony%' ESCAPE '!')");
  }
  static std::string conflicts(MemorySidecar& node) {
    return unit::rows(node.app().db(), "(SELECT kind, table_name, key, lost FROM __colony_conflicts)");
  }
  static std::string columns(MemorySidecar& node, const std::string& table) {
    return unit::rows(node.app().db(), "(SELECT group_concat(name) FROM pragma_table_info('" + table + "'))");
  }

  void expect_equal(const std::vector<std::string>& tables) {
    for (MemorySidecar* node : {&b_, &c_}) {
      for (const std::string& table : tables) {
        EXPECT_EQ(a_.app().rows(table), node->app().rows(table)) << table;
        EXPECT_EQ(columns(a_, table), columns(*node, table));
      }
      EXPECT_EQ(conflicts(a_), conflicts(*node));
      EXPECT_EQ(unit::rows(a_.app().db(), "(SELECT name, definition FROM __colony_tables)"),
                unit::rows(node->app().db(), "(SELECT name, definition FROM __colony_tables)"));
      EXPECT_EQ(node->app().db().query_integer("SELECT count(*) FROM __colony_outbox"), 0);
    }
  }

  MemoryStream stream_;
  MemorySidecar a_{stream_, kSchema, "a", 1}, b_{stream_, kSchema, "b", 2}, c_{stream_, kSchema, "c", 3};
};

TEST_F(SchemaChanges, new_table_is_replicated_from_its_first_row_on) {
  a_.app().run(
      "BEGIN; CREATE TABLE n(id INTEGER PRIMARY KEY, body REAL); INSERT INTO n VALUES(1, 5); "
      "INSERT INTO t VALUES(1, 'x'); COMMIT");
  a_.app().run("INSERT INTO n VALUES(2, 'two')");
  settle();
  b_.app().run("UPDATE n SET body = 'b' WHERE id = 1; INSERT INTO n VALUES(3, 'three')");
  settle();
  EXPECT_EQ(a_.app().rows("n"), "1 'b'\n2 'two'\n3 'three'\n");
  expect_equal({"n", "t"});
  EXPECT_EQ(schema(a_), schema(b_));
}

TEST_F(SchemaChanges, indexes_views_and_triggers_travel_and_go) {
  a_.app().run(
      "CREATE INDEX i ON t(a); CREATE VIEW v AS SELECT a FROM t; "
      "CREATE TRIGGER r AFTER INSERT ON t WHEN new.a = 'x' BEGIN UPDATE t SET a = 'y' WHERE k = new.k; END");
  settle();
  EXPECT_EQ(schema(a_), schema(b_));
  EXPECT_NE(schema(b_).find("CREATE INDEX i"), std::string::npos);
  b_.app().run("INSERT INTO t VALUES(1, 'x')");
  settle();
  EXPECT_EQ(a_.app().rows("t"), "1 'y'\n");
  b_.app().run("DROP INDEX i; DROP VIEW v; DROP TRIGGER r");
  settle();
  EXPECT_EQ(schema(c_).find("INDEX i"), std::string::npos);
  EXPECT_EQ(schema(a_), schema(c_));
  expect_equal({"t"});
}

TEST_F(SchemaChanges, added_column_comes_with_what_the_transaction_writes) {
  a_.app().run("INSERT INTO t VALUES(1, 'one'), (2, 'two')");
  settle();
  a_.app().run(
      "BEGIN; UPDATE t SET a = 'uno' WHERE k = 1; ALTER TABLE t ADD COLUMN c TEXT DEFAULT 'd'; "
      "UPDATE t SET c = 'x' WHERE k = 2; COMMIT");
  b_.app().run("INSERT INTO t VALUES(3, 'three')");
  settle();
  EXPECT_EQ(c_.app().rows("t"), "1 'uno' 'd'\n2 'two' 'x'\n3 'three' 'd'\n");
  expect_equal({"t"});
}

TEST_F(SchemaChanges, columns_that_two_nodes_add_at_once_come_in_the_logs_order) {
  a_.app().run("INSERT INTO t VALUES(1, 'one')");
  settle();
  a_.app().run("ALTER TABLE t ADD COLUMN x DEFAULT 1; UPDATE t SET x = 2; INSERT INTO t VALUES(10, 'a', 'ax')");
  b_.app().run("ALTER TABLE t ADD COLUMN y DEFAULT 3; UPDATE t SET y = 4; INSERT INTO t VALUES(11, 'b', 'by')");
  settle();
  EXPECT_EQ(columns(b_, "t"), "'k,a,x,y'\n");
  EXPECT_EQ(c_.app().rows("t"), "1 'one' 2 4\n10 'a' 'ax' 3\n11 'b' 1 'by'\n");
  expect_equal({"t"});
}

TEST_F(SchemaChanges, everybody_runs_the_same_migration_and_it_counts_once) {
  const char* const first = "BEGIN; CREATE TABLE m(id INTEGER PRIMARY KEY, a); CREATE INDEX mi ON m(a); COMMIT";
  const char* const second = "ALTER TABLE m ADD COLUMN b DEFAULT 0";
  for (MemorySidecar* node : {&a_, &b_, &c_}) node->app().run(first);
  for (MemorySidecar* node : {&a_, &b_, &c_}) node->app().run(second);
  b_.app().run("INSERT INTO m VALUES(2, 'b', 2)");
  c_.app().run("INSERT INTO m VALUES(3, 'c', 3)");
  settle();
  EXPECT_EQ(a_.app().rows("m"), "2 'b' 2\n3 'c' 3\n");
  EXPECT_EQ(conflicts(a_), "");
  expect_equal({"m"});
}

TEST_F(SchemaChanges, new_table_that_everybody_makes_and_then_makes_anew_counts_once) {
  for (MemorySidecar* node : {&a_, &b_, &c_}) {
    node->app().run("CREATE TABLE m(id INTEGER PRIMARY KEY, a, b); INSERT INTO m VALUES(1, 'a', 'b')");
    node->app().run(
        "BEGIN; CREATE TABLE new__m(id INTEGER PRIMARY KEY, b TEXT); INSERT INTO new__m SELECT id, b FROM m; "
        "DROP TABLE m; ALTER TABLE new__m RENAME TO m; COMMIT");
    node->app().run(
        "BEGIN; CREATE TABLE new__m(id INTEGER PRIMARY KEY, b TEXT NOT NULL); INSERT INTO new__m SELECT id, b FROM m; "
        "DROP TABLE m; ALTER TABLE new__m RENAME TO m; COMMIT");
  }
  b_.app().run("INSERT INTO m VALUES(2, 'two')");
  settle();
  EXPECT_EQ(a_.app().rows("m"), "1 'b'\n2 'two'\n");
  EXPECT_EQ(conflicts(a_).find("schema_differs"), std::string::npos) << conflicts(a_);
  EXPECT_EQ(schema(a_), schema(c_));
  expect_equal({"m"});
}

TEST_F(SchemaChanges, index_of_a_new_table_that_everybody_makes_and_drops_is_not_missed) {
  for (MemorySidecar* node : {&a_, &b_, &c_}) {
    node->app().run("BEGIN; CREATE TABLE m(id INTEGER PRIMARY KEY, a); CREATE INDEX mi ON m(a); COMMIT");
    node->app().run("DROP TABLE m");
  }
  settle();
  EXPECT_EQ(conflicts(a_), "");
  EXPECT_EQ(schema(a_), schema(c_));
  expect_equal({"t"});
}

TEST_F(SchemaChanges, of_two_tables_of_one_name_the_first_in_the_log_stands_and_no_row_is_lost) {
  a_.app().run("CREATE TABLE n(id INTEGER PRIMARY KEY, a); INSERT INTO n VALUES(1, 'a')");
  b_.app().run("CREATE TABLE n(id INTEGER PRIMARY KEY, b, a TEXT); INSERT INTO n VALUES(2, 'lost', 'kept')");
  settle();
  EXPECT_EQ(c_.app().rows("n"), "1 'a'\n2 'kept'\n");
  EXPECT_NE(conflicts(c_).find("'schema_differs' 'n'"), std::string::npos) << conflicts(c_);
  EXPECT_NE(conflicts(c_).find("'no_place' 'n' '{\"id\":2}' '{\"b\":\"lost\"}'"), std::string::npos) << conflicts(c_);
  expect_equal({"n"});
}

TEST_F(SchemaChanges, row_of_a_new_table_that_two_nodes_write_is_one) {
  for (MemorySidecar* node : {&a_, &b_}) node->app().run("CREATE TABLE n(id INTEGER PRIMARY KEY, a, b)");
  a_.app().run("INSERT INTO n VALUES(1, 'a', 0)");
  b_.app().run("INSERT INTO n VALUES(1, 'b', 0); UPDATE n SET b = 5");
  settle();
  expect_equal({"n"});
}

TEST_F(SchemaChanges, rolled_back_with_its_transaction_or_savepoint) {
  const std::string before = schema(a_);
  a_.app().run("BEGIN; CREATE TABLE n(id INTEGER PRIMARY KEY); INSERT INTO n VALUES(1); ROLLBACK");
  a_.app().run(
      "BEGIN; INSERT INTO t VALUES(1, 'x'); SAVEPOINT s; ALTER TABLE t ADD COLUMN c; UPDATE t SET c = 1; "
      "ROLLBACK TO s; RELEASE s; COMMIT");
  settle();
  EXPECT_EQ(schema(b_), before);
  EXPECT_EQ(b_.app().rows("t"), "1 'x'\n");
  expect_equal({"t"});
}

TEST_F(SchemaChanges, table_that_is_made_under_another_name_first_is_read_as_it_is_in_the_end) {
  a_.app().run(
      "BEGIN; CREATE TABLE tmp(id INTEGER PRIMARY KEY, a); INSERT INTO tmp VALUES(1, 'x'); "
      "ALTER TABLE tmp RENAME TO n; INSERT INTO n VALUES(2, 'y'); COMMIT");
  a_.app().run("INSERT INTO n VALUES(3, 'z')");
  settle();
  EXPECT_EQ(b_.app().rows("n"), "1 'x'\n2 'y'\n3 'z'\n");
  expect_equal({"n"});
}

TEST_F(SchemaChanges, schema_of_a_pending_transaction_stays_while_rows_beneath_it_are_rebased) {
  a_.app().run("INSERT INTO t VALUES(1, 'one')");
  settle();
  a_.app().run("BEGIN; ALTER TABLE t ADD COLUMN c DEFAULT 0; UPDATE t SET c = 1, a = 'a'; COMMIT");
  a_.app().run("UPDATE t SET c = 2");
  b_.app().run("UPDATE t SET a = 'b'");
  b_.settle();  // the log has it before a's
  settle();
  EXPECT_EQ(b_.app().rows("t"), "1 'a' 2\n");
  expect_equal({"t"});
}

TEST_F(SchemaChanges, full_text_index_over_a_table_is_made_of_the_rows_that_are_there) {
  a_.app().run("INSERT INTO t VALUES(1, 'red apple'), (2, 'green pear')");
  settle();
  a_.app().run(
      "CREATE VIRTUAL TABLE f USING fts5(a, content='t', content_rowid='k'); "
      "INSERT INTO f(f) VALUES('rebuild'); "
      "CREATE TRIGGER fi AFTER INSERT ON t BEGIN INSERT INTO f(rowid, a) VALUES(new.k, new.a); END; "
      "CREATE TRIGGER fd AFTER DELETE ON t BEGIN INSERT INTO f(f, rowid, a) VALUES('delete', old.k, old.a); END");
  settle();
  a_.app().run("INSERT INTO t VALUES(3, 'red cherry'); DELETE FROM t WHERE k = 1");
  settle();
  EXPECT_EQ(unit::rows(b_.app().db(), "(SELECT rowid FROM f WHERE f MATCH 'red')"), "3\n");
  expect_equal({"t"});
}

TEST_F(SchemaChanges, full_text_index_is_dropped_and_made_anew) {
  a_.app().run(
      "INSERT INTO t VALUES(1, 'red apple'); CREATE VIRTUAL TABLE f USING fts5(a, content='t', content_rowid='k'); "
      "INSERT INTO f(f) VALUES('rebuild')");
  settle();
  a_.app().run(
      "BEGIN; DROP TABLE f; CREATE VIRTUAL TABLE f USING fts5(a, content='t', content_rowid='k', prefix='2'); "
      "INSERT INTO f(f) VALUES('rebuild'); COMMIT");
  b_.app().run("INSERT INTO t VALUES(2, 'green pear')");
  settle();
  EXPECT_EQ(schema(b_), schema(a_));
  EXPECT_NE(schema(b_).find("prefix"), std::string::npos) << schema(b_);
  EXPECT_EQ(unit::rows(b_.app().db(), "(SELECT rowid FROM f WHERE f MATCH 'red')"), "1\n");
  b_.app().run("DROP TABLE f");
  settle();
  EXPECT_EQ(schema(a_), "'table' 't' 'CREATE TABLE t(k INTEGER PRIMARY KEY, a)'\n");
  EXPECT_EQ(conflicts(a_), "");
  expect_equal({"t"});
}

TEST_F(SchemaChanges, table_without_a_key_is_dropped_everywhere_but_where_it_was_left_out) {
  a_.app().run("CREATE TABLE copied AS SELECT * FROM t");
  settle();
  c_.app().run("INSERT INTO __colony_left_out VALUES('copied'); INSERT INTO copied VALUES(1, 'own')");
  a_.app().run("INSERT INTO copied VALUES(1, 'of a'); DROP TABLE copied; INSERT INTO t VALUES(1, 'x')");
  b_.app().run("UPDATE t SET a = 'y'; ALTER TABLE t RENAME COLUMN a TO name");
  settle();
  EXPECT_EQ(schema(b_).find("copied"), std::string::npos) << schema(b_);
  EXPECT_EQ(unit::rows(c_.app().db(), "copied"), "1 'own'\n");
  EXPECT_EQ(b_.app().rows("t"), "1 'x'\n");
  EXPECT_EQ(conflicts(a_), "");
  expect_equal({"t"});
}

TEST_F(SchemaChanges, tables_and_columns_are_renamed) {
  a_.app().run("CREATE INDEX i ON t(a); INSERT INTO t VALUES(1, 'one')");
  settle();
  a_.app().run(
      "BEGIN; UPDATE t SET a = 'uno'; ALTER TABLE t RENAME COLUMN a TO name; INSERT INTO t VALUES(2, 'two'); "
      "ALTER TABLE t RENAME TO things; UPDATE things SET name = name || '!' WHERE k = 2; COMMIT");
  settle();
  EXPECT_EQ(c_.app().rows("things"), "1 'uno'\n2 'two!'\n");
  EXPECT_EQ(schema(c_),
            "'index' 'i' 'CREATE INDEX i ON \"things\"(name)'\n"
            "'table' 'things' 'CREATE TABLE \"things\"(k INTEGER PRIMARY KEY, name)'\n");
  EXPECT_EQ(schema(a_), schema(c_));
  b_.app().run("INSERT INTO things VALUES(3, 'three')");
  settle();
  expect_equal({"things"});
}

TEST_F(SchemaChanges, name_of_a_renamed_table_is_given_to_a_new_one) {
  a_.app().run("INSERT INTO t VALUES(1, 'one')");
  settle();
  b_.app().run("UPDATE t SET a = 'b'");
  a_.app().run(
      "BEGIN; ALTER TABLE t RENAME TO v; CREATE TABLE t(k INTEGER PRIMARY KEY, c); INSERT INTO t VALUES(2, 'two'); "
      "COMMIT");
  settle();
  b_.app().run("INSERT INTO v(k, a) VALUES(3, 'three'); INSERT INTO t(k, c) VALUES(4, 'four')");
  settle();
  EXPECT_EQ(c_.app().rows("v"), "1 'b'\n3 'three'\n");
  EXPECT_EQ(c_.app().rows("t"), "2 'two'\n4 'four'\n");
  EXPECT_EQ(schema(a_), schema(c_));
  expect_equal({"t", "v"});
}

TEST_F(SchemaChanges, dropped_table_is_gone_everywhere) {
  a_.app().run("INSERT INTO t VALUES(1, 'one')");
  settle();
  a_.app().run("BEGIN; UPDATE t SET a = 'x'; DROP TABLE t; COMMIT");
  settle();
  EXPECT_EQ(schema(b_), "");
  b_.app().run("CREATE TABLE t(k INTEGER PRIMARY KEY, other); INSERT INTO t VALUES(1, 'new')");
  settle();
  EXPECT_EQ(a_.app().rows("t"), "1 'new'\n");
  expect_equal({"t"});
}

TEST_F(SchemaChanges, dropped_column_is_gone_everywhere) {
  a_.app().run("ALTER TABLE t ADD COLUMN b; INSERT INTO t VALUES(1, 'one', 'b1'), (2, 'two', 'b2')");
  settle();
  a_.app().run("ALTER TABLE t DROP COLUMN a");
  settle();
  EXPECT_EQ(b_.app().rows("t"), "1 'b1'\n2 'b2'\n");
  b_.app().run("INSERT INTO t VALUES(3, 'b3')");
  settle();
  expect_equal({"t"});
}

const char* const kRemake =
    "BEGIN; CREATE TABLE new__t(k INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT '-', n INTEGER NOT NULL); "
    "INSERT INTO new__t(k, a, n) SELECT k, coalesce(a, '-'), 7 FROM t; DROP TABLE t; "
    "ALTER TABLE new__t RENAME TO t; CREATE INDEX ti ON t(a); COMMIT";

TEST_F(SchemaChanges, remade_table_carries_each_nodes_own_rows_over) {
  a_.app().run("INSERT INTO t VALUES(1, 'one'), (2, 'two'), (3, 3)");
  settle();
  a_.app().run(kRemake);
  b_.app().run("UPDATE t SET a = 'b' WHERE k = 2; INSERT INTO t VALUES(4, 'four')");
  b_.settle();
  settle();
  EXPECT_EQ(c_.app().rows("t"), "1 'one' 7\n2 'b' 7\n3 '3' 7\n4 'four' 7\n");
  EXPECT_EQ(conflicts(c_), "");
  EXPECT_EQ(schema(a_), schema(b_));
  expect_equal({"t"});
}

TEST_F(SchemaChanges, row_whose_key_the_remade_table_refuses_is_journalled) {
  a_.app().run("CREATE TABLE w(k TEXT PRIMARY KEY, a); INSERT INTO w VALUES('1', 'one')");
  settle();
  a_.app().run(
      "BEGIN; CREATE TABLE new__w(k INTEGER PRIMARY KEY, a); INSERT INTO new__w SELECT k, a FROM w; DROP TABLE w; "
      "ALTER TABLE new__w RENAME TO w; COMMIT");
  b_.app().run("INSERT INTO w VALUES('x', 'of b'), ('2', 'two')");
  b_.settle();  // before the change, in the log
  settle();
  for (MemorySidecar* node : {&a_, &b_, &c_}) EXPECT_EQ(node->app().rows("w"), "1 'one'\n2 'two'\n");
  EXPECT_NE(conflicts(c_).find("of b"), std::string::npos);
  expect_equal({"w"});
}

TEST_F(SchemaChanges, row_of_an_older_schema_gets_in_new_columns_what_rows_got_that_were_there) {
  a_.app().run("INSERT INTO t VALUES(1, 'one'), (2, 'two')");
  settle();
  a_.app().run(
      "BEGIN; CREATE TABLE new__t(k INTEGER PRIMARY KEY, a, n INTEGER NOT NULL, m TEXT); "
      "INSERT INTO new__t SELECT k, a, 7, 'm' FROM t; DROP TABLE t; ALTER TABLE new__t RENAME TO t; COMMIT");
  a_.app().run("ALTER TABLE t RENAME COLUMN n TO stock; ALTER TABLE t RENAME TO books");
  a_.settle();
  b_.app().run("INSERT INTO t VALUES(3, 'three'); UPDATE t SET a = 'b' WHERE k = 3");
  settle();
  EXPECT_EQ(c_.app().rows("books"), "1 'one' 7 'm'\n2 'two' 7 'm'\n3 'b' 7 'm'\n");
  expect_equal({"books"});
}

TEST_F(SchemaChanges, what_the_copy_of_a_remade_table_computes_travels_as_rows) {
  a_.app().run("INSERT INTO t VALUES(1, 'one'), (2, 'two')");
  settle();
  a_.app().run(
      "BEGIN; INSERT INTO t VALUES(3, 'three'); ALTER TABLE t RENAME TO old; "
      "CREATE TABLE t(k INTEGER PRIMARY KEY, upper_a, a); "
      "INSERT INTO t SELECT k, upper(a), a FROM old WHERE k <> 1; DROP TABLE old; COMMIT");
  b_.app().run("UPDATE t SET a = 'b' WHERE k = 2");
  settle();
  EXPECT_EQ(c_.app().rows("t"), "2 'TWO' 'b'\n3 'THREE' 'three'\n");
  expect_equal({"t"});
}

// As tools do it whose CREATE TABLE commits at once.
TEST_F(SchemaChanges, table_is_remade_by_one_that_was_made_before) {
  a_.app().run("INSERT INTO t VALUES(1, 'one'), (2, 'two')");
  settle();
  a_.app().run("CREATE TABLE t_new(k INTEGER PRIMARY KEY, name TEXT, n DEFAULT 7); INSERT INTO t_new(k) VALUES(9)");
  b_.app().run("INSERT INTO t VALUES(3, 'three')");
  a_.app().run(
      "BEGIN; DELETE FROM t_new; INSERT INTO t_new(k, name) SELECT k, a FROM t; DROP TABLE t; "
      "ALTER TABLE t_new RENAME TO t; COMMIT; CREATE INDEX i ON t(name)");
  a_.app().run("UPDATE t SET n = 8 WHERE k = 2");
  b_.settle();
  settle();
  b_.app().run("INSERT INTO t(k, name, n) VALUES(4, 'four', 4)");
  settle();
  EXPECT_EQ(c_.app().rows("t"), "1 'one' 7\n2 'two' 8\n3 'three' 7\n4 'four' 4\n");
  EXPECT_EQ(schema(a_), schema(c_));
  EXPECT_EQ(schema(c_).find("t_new"), std::string::npos);
  expect_equal({"t"});
  a_.app().run("CREATE TABLE t_new(k INTEGER PRIMARY KEY); INSERT INTO t_new VALUES(1)");
  settle();
  expect_equal({"t", "t_new"});
}

TEST_F(SchemaChanges, column_that_is_copied_under_another_name_keeps_each_nodes_own_values) {
  a_.app().run("INSERT INTO t VALUES(1, 'one'), (2, 'two'), (4, '4')");
  settle();
  a_.app().run(
      "BEGIN; CREATE TABLE n(k INTEGER PRIMARY KEY, name TEXT, m DEFAULT 1); "
      "INSERT INTO n(k, name) SELECT k, a FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t; COMMIT");
  b_.app().run("UPDATE t SET a = 'changed' WHERE k > 1; INSERT INTO t VALUES(3, 'three')");
  b_.settle();
  settle();
  c_.app().run("INSERT INTO t(k, name) VALUES(5, 'five')");
  settle();
  EXPECT_EQ(b_.app().rows("t"), "1 'one' 1\n2 'changed' 1\n3 'three' 1\n4 'changed' 1\n5 'five' 1\n");
  EXPECT_EQ(conflicts(c_), "");
  EXPECT_EQ(schema(a_), schema(c_));
}

TEST_F(SchemaChanges, default_that_is_random_is_computed_once_per_row) {
  a_.app().run("INSERT INTO t VALUES(1, 'one'), (2, 'two')");
  settle();
  a_.app().run(
      "BEGIN; CREATE TABLE n(k INTEGER PRIMARY KEY, a, token DEFAULT(hex(randomblob(8)))); "
      "INSERT INTO n(k, a) SELECT k, a FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t; COMMIT");
  settle();
  a_.app().run("INSERT INTO t(k, a) VALUES(3, 'three')");
  b_.app().run("INSERT INTO t(k, a) VALUES(4, 'four')");
  settle();
  EXPECT_EQ(a_.app().db().query_integer("SELECT count(DISTINCT token) FROM t WHERE length(token) = 16"), 4);
  expect_equal({"t"});
}

TEST_F(SchemaChanges, rows_that_were_written_without_a_column_that_may_not_be_null) {
  a_.app().run(kRemake);
  b_.app().run("INSERT INTO t VALUES(1, NULL), (2, 'two'); UPDATE t SET a = NULL WHERE k = 2");
  settle();
  EXPECT_EQ(c_.app().rows("t"), "1 '-' 0\n2 '-' 0\n");
  expect_equal({"t"});
}

TEST_F(SchemaChanges, same_remake_by_everybody_counts_once) {
  a_.app().run("INSERT INTO t VALUES(1, 'one'), (2, NULL)");
  settle();
  for (MemorySidecar* node : {&a_, &b_, &c_}) node->app().run(kRemake);
  c_.app().run("UPDATE t SET n = 8 WHERE k = 1");
  settle();
  EXPECT_EQ(a_.app().rows("t"), "1 'one' 8\n2 '-' 7\n");
  expect_equal({"t"});
}

TEST_F(SchemaChanges, unique_index_displaces_the_rows_that_it_has_no_room_for_everywhere) {
  a_.app().run("INSERT INTO t VALUES(1, 'x'), (2, 'y')");
  settle();
  a_.app().run("CREATE UNIQUE INDEX u ON t(a)");
  b_.app().run("INSERT INTO t VALUES(3, 'x')");
  b_.settle();
  settle();
  EXPECT_EQ(c_.app().rows("t"), "2 'y'\n3 'x'\n");
  EXPECT_NE(conflicts(c_).find("'displaced' 't' '{\"k\":1}'"), std::string::npos) << conflicts(c_);
  expect_equal({"t"});
}

TEST_F(SchemaChanges, of_two_alterations_of_one_table_the_first_stands_and_the_second_gives_back_what_it_took) {
  a_.app().run("INSERT INTO t VALUES(1, 'one')");
  settle();
  a_.app().run("ALTER TABLE t RENAME COLUMN a TO name");
  b_.app().run("ALTER TABLE t DROP COLUMN a; INSERT INTO t VALUES(2)");
  settle();
  EXPECT_EQ(b_.app().rows("t"), "1 'one'\n2 NULL\n");
  EXPECT_NE(conflicts(b_).find("'schema_differs' 't'"), std::string::npos) << conflicts(b_);
  expect_equal({"t"});
}

TEST_F(SchemaChanges, rows_are_rebased_beneath_a_destructive_change_that_waits) {
  a_.app().run("INSERT INTO t VALUES(1, 'one'), (2, 'two')");
  settle();
  a_.app().run("ALTER TABLE t DROP COLUMN a; INSERT INTO t VALUES(5)");
  b_.app().run("UPDATE t SET a = 'b'; DELETE FROM t WHERE k = 2; INSERT INTO t VALUES(3, 'three')");
  b_.settle();
  for (int i = 0; i < 3; ++i) a_.absorb();
  EXPECT_EQ(a_.app().rows("t"), "1\n3\n5\n");
  settle();
  expect_equal({"t"});
}

}  // namespace
}  // namespace colony
