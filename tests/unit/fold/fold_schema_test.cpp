// What of the file's schema the fold heeds, and what it leaves to the origin.
#include <gtest/gtest.h>

#include "tests/unit/memory_node.h"

namespace colony {
namespace {

using unit::changeset_at_origin;
using unit::MemoryFold;
using unit::MemoryNode;

std::string mismatch_of(MemoryFold& file, const std::string& changeset,
                        std::optional<std::uint64_t> shape = std::nullopt) {
  Conflicts conflicts;
  const WriteTransaction undone(file.db());
  try {
    file.fold().apply(changeset, conflicts, shape);
    return "applied";
  } catch (const SchemaMismatch& mismatch) {
    return mismatch.what();
  }
}

constexpr const char* kThree = "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)";

TEST(FoldSchema, changeset_from_before_a_column_was_added) {
  const std::string before = "CREATE TABLE t(k INTEGER PRIMARY KEY, a)";
  MemoryFold file("CREATE TABLE t(k INTEGER PRIMARY KEY, a, later DEFAULT 'new')",
                  "INSERT INTO t VALUES(1, 'a', 'kept'), (2, 'b', 'gone')");
  EXPECT_EQ(file.apply(changeset_at_origin(before, "INSERT INTO t VALUES(1, 'a'), (2, 'b')",
                                           "UPDATE t SET a = 'x' WHERE k = 1; DELETE FROM t WHERE k = 2;"
                                           "INSERT INTO t VALUES(3, 'c')")),
            "");
  EXPECT_EQ(file.rows("t"), "1 'x' 'kept'\n3 'c' 'new'\n");
}

TEST(FoldSchema, insert_from_before_a_column_was_added_keeps_that_columns_value) {
  MemoryFold file("CREATE TABLE t(k INTEGER PRIMARY KEY, a, later DEFAULT 'new')",
                  "INSERT INTO t VALUES(1, 'here', 'kept')");
  EXPECT_EQ(file.apply(changeset_at_origin("CREATE TABLE t(k INTEGER PRIMARY KEY, a)", "",
                                           "INSERT INTO t VALUES(1, 'there')")),
            "insert_exists t {\"k\":1} {\"k\":1,\"a\":\"here\"}\n");
  EXPECT_EQ(file.rows("t"), "1 'there' 'kept'\n");
}

// Two rows that swap a unique value are taken out before they are put back.
TEST(FoldSchema, swap_from_before_a_column_was_added_keeps_that_columns_values) {
  MemoryFold file("CREATE TABLE t(k INTEGER PRIMARY KEY, u UNIQUE, later DEFAULT 'new')",
                  "INSERT INTO t VALUES(1, 'x', 'one'), (2, 'y', 'two')");
  EXPECT_EQ(file.apply(changeset_at_origin("CREATE TABLE t(k INTEGER PRIMARY KEY, u UNIQUE)",
                                           "INSERT INTO t VALUES(1, 'x'), (2, 'y')",
                                           "UPDATE t SET u = '' WHERE k = 1; UPDATE t SET u = 'x' WHERE k = 2;"
                                           "UPDATE t SET u = 'y' WHERE k = 1")),
            "");
  EXPECT_EQ(file.rows("t"), "1 'y' 'one'\n2 'x' 'two'\n");
}

// Each node would compute another value.
TEST(FoldSchema, row_without_a_column_gets_null_where_the_default_is_not_constant) {
  MemoryFold file(
      "CREATE TABLE t(k INTEGER PRIMARY KEY, u UNIQUE, r DEFAULT (random()), s DEFAULT CURRENT_TIMESTAMP, c DEFAULT 7)",
      "INSERT INTO t VALUES(5, 'taken', 1, 2, 3)");
  const std::string before = "CREATE TABLE t(k INTEGER PRIMARY KEY, u)";
  EXPECT_EQ(file.apply(changeset_at_origin(before, "", "INSERT INTO t VALUES(1, 'x')")), "");
  EXPECT_EQ(file.apply(changeset_at_origin(before, "", "INSERT INTO t VALUES(2, 'taken')")),
            "displaced t {\"k\":5} {\"k\":5,\"u\":\"taken\",\"r\":1,\"s\":2,\"c\":3}\n");
  EXPECT_EQ(file.rows("t"), "1 'x' NULL NULL 7\n2 'taken' NULL NULL 7\n");
}

// The origin does not know the column yet. Every node gives the row the same.
TEST(FoldSchema, row_without_a_column_that_it_must_have_gets_nothing_of_its_type) {
  const std::string before = "CREATE TABLE t(k INTEGER PRIMARY KEY, a)";
  for (const auto& [column, nothing] :
       {std::pair("c NOT NULL", "x''"), std::pair("c INT NOT NULL DEFAULT (random())", "0"),
        std::pair("c TEXT NOT NULL DEFAULT CURRENT_DATE", "''"), std::pair("c REAL NOT NULL", "0.0"),
        std::pair("c DATETIME NOT NULL", "0"), std::pair("c DEFAULT (random())", "NULL")}) {
    MemoryFold file(std::string("CREATE TABLE t(k INTEGER PRIMARY KEY, a, ") + column + ")",
                    "INSERT INTO t VALUES(1, 'here', 'kept')");
    EXPECT_EQ(file.apply(changeset_at_origin(before, "", "INSERT INTO t VALUES(2, 'x')")), "") << column;
    // What is there has its own value.
    EXPECT_NE(file.apply(changeset_at_origin(before, "", "INSERT INTO t VALUES(1, 'x')")), "");
    EXPECT_EQ(file.apply(changeset_at_origin(before, "INSERT INTO t VALUES(1, 'x')", "UPDATE t SET a = 'y'")), "");
    EXPECT_EQ(file.rows("t"), std::string("1 'y' 'kept'\n2 'x' ") + nothing + "\n") << column;
  }
}

TEST(FoldSchema, table_that_is_missing) {
  MemoryFold file("CREATE TABLE other(k INTEGER PRIMARY KEY)", "");
  EXPECT_EQ(mismatch_of(file, changeset_at_origin(kThree, "", "INSERT INTO t VALUES(1, 1, 1)")),
            "changes table t, which this file does not replicate");
}

TEST(FoldSchema, table_with_fewer_columns) {
  MemoryFold file("CREATE TABLE t(k INTEGER PRIMARY KEY, a)", "");
  EXPECT_EQ(mismatch_of(file, changeset_at_origin(kThree, "", "INSERT INTO t VALUES(1, 1, 1)")),
            "changes table t with 3 columns, and here it has 2");
}

TEST(FoldSchema, table_with_another_key) {
  MemoryFold file("CREATE TABLE t(k, a PRIMARY KEY NOT NULL, b)", "");
  EXPECT_EQ(mismatch_of(file, changeset_at_origin(kThree, "", "INSERT INTO t VALUES(1, 1, 1)")),
            "changes table t, which has another primary key here");
  MemoryFold turned("CREATE TABLE t(k, a, b, PRIMARY KEY(k, a)) WITHOUT ROWID", "");
  EXPECT_EQ(mismatch_of(turned, changeset_at_origin("CREATE TABLE t(k, a, b, PRIMARY KEY(a, k)) WITHOUT ROWID", "",
                                                    "INSERT INTO t VALUES(1, 1, 1)")),
            "changes table t, which has another primary key here");
  MemoryFold longer("CREATE TABLE t(k, a, b, c, PRIMARY KEY(k, c)) WITHOUT ROWID", "");
  EXPECT_EQ(mismatch_of(longer, changeset_at_origin("CREATE TABLE t(k PRIMARY KEY, a, b) WITHOUT ROWID", "",
                                                    "INSERT INTO t VALUES(1, 1, 1)")),
            "changes table t, which has another primary key here");
}

TEST(FoldSchema, table_with_other_names_is_told_by_its_shape) {
  MemoryNode origin("CREATE TABLE t(k INTEGER PRIMARY KEY, a, b); CREATE TABLE u(k INTEGER PRIMARY KEY)");
  origin.run("BEGIN; INSERT INTO u VALUES(1); INSERT INTO t VALUES(1, 1, 1); COMMIT");
  const auto shape = static_cast<std::uint64_t>(origin.db().query_integer("SELECT shape FROM __colony_outbox"));
  const std::string changeset = origin.outbox().front();

  MemoryFold same("CREATE TABLE u(k INTEGER PRIMARY KEY, later); CREATE TABLE t(k INTEGER PRIMARY KEY, a, b, later)",
                  "");
  EXPECT_EQ(mismatch_of(same, changeset, shape), "applied");
  MemoryFold swapped("CREATE TABLE u(k INTEGER PRIMARY KEY); CREATE TABLE t(k INTEGER PRIMARY KEY, b, a)", "");
  EXPECT_NE(mismatch_of(swapped, changeset, shape).find("other names, or another order"), std::string::npos);
  EXPECT_EQ(mismatch_of(swapped, changeset), "applied");  // an undo knows its own file
}

TEST(FoldSchema, refused_changeset_changes_nothing) {
  MemoryFold file("CREATE TABLE t(k INTEGER PRIMARY KEY, a); CREATE TABLE other(k INTEGER PRIMARY KEY)", "");
  MemoryNode origin("CREATE TABLE t(k INTEGER PRIMARY KEY, a); CREATE TABLE missing(k INTEGER PRIMARY KEY)");
  const std::string changeset =
      origin.changeset_of("BEGIN; INSERT INTO t VALUES(1, 1); INSERT INTO missing VALUES(1); COMMIT");
  EXPECT_THROW(file.apply(changeset), SchemaMismatch);
  EXPECT_EQ(file.rows("t"), "");
}

TEST(FoldSchema, triggers_are_not_fired) {
  const std::string schema =
      "CREATE TABLE t(k INTEGER PRIMARY KEY, a); CREATE TABLE log(k INTEGER PRIMARY KEY, what);"
      "CREATE TRIGGER audit AFTER INSERT ON t BEGIN INSERT INTO log(what) VALUES(new.k); END;"
      "CREATE TRIGGER forbid BEFORE UPDATE ON t BEGIN SELECT RAISE(ABORT, 'no'); END";
  MemoryFold file(schema, "");
  // The origin's audit row comes with the changeset: exactly one.
  EXPECT_EQ(file.apply(changeset_at_origin(schema, "", "INSERT INTO t VALUES(1, 'a')")), "");
  EXPECT_EQ(file.rows("log"), "1 1\n");
  EXPECT_EQ(file.apply(changeset_at_origin("CREATE TABLE t(k INTEGER PRIMARY KEY, a)", "INSERT INTO t VALUES(1, 'a')",
                                           "UPDATE t SET a = 'b'")),
            "");
  EXPECT_EQ(file.rows("t"), "1 'b'\n");
}

TEST(FoldSchema, foreign_keys_neither_refuse_nor_cascade) {
  const std::string schema =
      "PRAGMA foreign_keys = ON; CREATE TABLE p(k INTEGER PRIMARY KEY);"
      "CREATE TABLE c(k INTEGER PRIMARY KEY, p REFERENCES p ON DELETE CASCADE)";
  MemoryFold file(schema, "INSERT INTO p VALUES(1); INSERT INTO c VALUES(10, 1), (11, 1)");
  // At the origin there was one child; the other came concurrently, and stays.
  EXPECT_EQ(
      file.apply(changeset_at_origin(schema, "INSERT INTO p VALUES(1); INSERT INTO c VALUES(10, 1)", "DELETE FROM p")),
      "");
  EXPECT_EQ(file.rows("c"), "11 1\n");
  EXPECT_EQ(file.db().query_integer("SELECT count(*) FROM pragma_foreign_key_check"), 1);
}

TEST(FoldSchema, check_constraints_are_left_to_the_origin) {
  MemoryFold file("CREATE TABLE t(k INTEGER PRIMARY KEY, a CHECK(a > 0), b CHECK(b > a))", "");
  EXPECT_EQ(file.apply(changeset_at_origin(kThree, "", "INSERT INTO t VALUES(1, -1, -5)")), "");
  EXPECT_EQ(file.rows("t"), "1 -1 -5\n");
}

constexpr const char* kSearch =
    "CREATE TABLE t(k INTEGER PRIMARY KEY, body TEXT UNIQUE); CREATE TABLE log(k INTEGER PRIMARY KEY, what);"
    "CREATE VIRTUAL TABLE search USING fts5(body, content='t', content_rowid='k');"
    "CREATE TRIGGER ins AFTER INSERT ON t BEGIN INSERT INTO search(rowid, body) VALUES(new.k, new.body); END;"
    "CREATE TRIGGER del AFTER DELETE ON t BEGIN"
    "  INSERT INTO search(search, rowid, body) VALUES('delete', old.k, old.body); END;"
    "CREATE TRIGGER \"upd ate\" AFTER UPDATE ON t BEGIN"
    "  INSERT INTO search(search, rowid, body) VALUES('delete', old.k, old.body);"
    "  INSERT INTO search(rowid, body) VALUES(new.k, new.body); END;"
    "CREATE TRIGGER audit AFTER INSERT ON t BEGIN INSERT INTO log(what) VALUES(new.k); END;";

std::string found(Database& db, const std::string& word) {
  return db.query_text("SELECT coalesce(group_concat(rowid), '') FROM search('" + word + "')");
}

TEST(FoldSchema, full_text_index_with_external_content_follows_the_rows) {
  MemoryFold file(kSearch, "INSERT INTO t VALUES(1, 'old one'), (2, 'old two'), (3, 'old three')");
  EXPECT_EQ(
      file.apply(changeset_at_origin(kSearch, "INSERT INTO t VALUES(1, 'old one'), (2, 'old two'), (3, 'old three')",
                                     "UPDATE t SET body = 'new one' WHERE k = 1; DELETE FROM t WHERE k = 2;"
                                     "INSERT INTO t VALUES(4, 'new four')")),
      "");
  EXPECT_EQ(found(file.db(), "old"), "3");
  EXPECT_EQ(found(file.db(), "new"), "1,4");
  EXPECT_EQ(unit::error_of(file.db(), "INSERT INTO search(search, rank) VALUES('integrity-check', 1)"), "");
  EXPECT_EQ(file.db().query_integer("SELECT count(*) FROM log"), 4);  // one per insert, as at the origin
}

TEST(FoldSchema, full_text_index_forgets_rows_that_are_displaced) {
  MemoryFold file(kSearch, "INSERT INTO t VALUES(1, 'same words'), (2, 'others')");
  EXPECT_NE(file.apply(changeset_at_origin(kSearch, "", "INSERT INTO t VALUES(9, 'same words')")), "");
  EXPECT_EQ(found(file.db(), "same"), "9");
  EXPECT_EQ(unit::error_of(file.db(), "INSERT INTO search(search, rank) VALUES('integrity-check', 1)"), "");
}

TEST(FoldSchema, schema_change_is_followed_after_a_reload) {
  MemoryNode node(kThree);
  MemoryFold file(node.path());
  file.apply(changeset_at_origin(kThree, "", "INSERT INTO t VALUES(1, 1, 1)"));
  node.run("ALTER TABLE t ADD COLUMN c DEFAULT 7; CREATE UNIQUE INDEX i ON t(a)");
  file.reload();
  const std::string now = "CREATE TABLE t(k INTEGER PRIMARY KEY, a UNIQUE, b, c DEFAULT 7)";
  EXPECT_EQ(file.apply(changeset_at_origin(now, "", "INSERT INTO t VALUES(2, 1, 2, 3)")),
            "displaced t {\"k\":1} {\"k\":1,\"a\":1,\"b\":1,\"c\":7}\n");
  EXPECT_EQ(file.rows("t"), "2 1 2 3\n");
}

}  // namespace
}  // namespace colony
