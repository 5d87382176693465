// Values as they are in the table: of every kind of column, and after the schema changed.
#include <gtest/gtest.h>

#include "tests/unit/memory_node.h"

namespace colony {
namespace {

using unit::MemoryNode;

TEST(CaptureColumns, every_storage_class_in_every_affinity) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY, i INTEGER, r REAL, n NUMERIC, x TEXT, b BLOB, any)");
  EXPECT_EQ(node.captured("INSERT INTO t VALUES(1, '5', 5, '5.0', 5, 5, 5)"), "t + 1 5 5.0 5 '5' 5 5\n");
  EXPECT_EQ(node.captured("INSERT INTO t VALUES(2, 'x', 'x', 'x', x'00', 'x', 9007199254740993)"),
            "t + 2 'x' 'x' 'x' x'00' 'x' 9007199254740993\n");
  EXPECT_EQ(node.captured("INSERT INTO t VALUES(3, 2.5, 9e999, -9e999, 2.5, 2.5, -0.0)"),
            "t + 3 2.5 inf -inf '2.5' 2.5 -0.0\n");
  EXPECT_EQ(node.captured("INSERT INTO t VALUES(4, NULL, NULL, NULL, '', x'', zeroblob(3))"),
            "t + 4 NULL NULL NULL '' x'' x'000000'\n");
  EXPECT_EQ(node.captured("INSERT INTO t VALUES(5, 9223372036854775807, 1e15, 1e20, 'a' || char(0) || 'b', 1, "
                          "CAST(x'ff61' AS TEXT))"),
            "t + 5 9223372036854775807 1000000000000000.0 1e+20 'a\\x00b' 1 '\\xffa'\n");
}

TEST(CaptureColumns, integers_in_a_real_column_are_real) {
  MemoryNode node("CREATE TABLE t(k REAL PRIMARY KEY, r DOUBLE PRECISION, i BIGINT)");
  EXPECT_EQ(node.captured("INSERT INTO t VALUES(1, 2, 3)"), "t + 1.0 2.0 3\n");
  EXPECT_EQ(node.captured("UPDATE t SET r = 4"), "t ~ 1.0 2.0>4.0 .\n");
  EXPECT_EQ(node.captured("UPDATE t SET k = 7"), "t - 1.0 4.0 3\nt + 7.0 4.0 3\n");
  EXPECT_EQ(node.captured("DELETE FROM t"), "t - 7.0 4.0 3\n");
}

// SQLite stores -0.0 in a REAL column as the integer 0.
TEST(CaptureColumns, negative_zero_is_what_a_select_shows) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY, r REAL, b)");
  const std::string captured = node.captured("INSERT INTO t VALUES(1, -0.0, -0.0)");
  EXPECT_EQ(captured, "t + " + node.rows("t"));
  EXPECT_EQ(node.captured("DELETE FROM t"), "t -" + captured.substr(3));
}

TEST(CaptureColumns, added_column_with_default_is_seen_in_old_rows) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY, a)");
  node.run("INSERT INTO t VALUES(1, 'a'), (2, 'b'), (3, 'c')");
  node.run("ALTER TABLE t ADD COLUMN d DEFAULT 'none'; ALTER TABLE t ADD COLUMN r REAL DEFAULT 5");
  EXPECT_EQ(node.captured("UPDATE t SET d = 'some' WHERE k = 1"), "t ~ 1 . 'none'>'some' .\n");
  EXPECT_EQ(node.captured("UPDATE t SET a = 'x' WHERE k = 2"), "t ~ 2 'b'>'x' . .\n");
  EXPECT_EQ(node.captured("DELETE FROM t WHERE k = 3"), "t - 3 'c' 'none' 5.0\n");
  EXPECT_EQ(node.captured("INSERT INTO t(k) VALUES(4)"), "t + 4 NULL 'none' 5.0\n");
}

TEST(CaptureColumns, null_that_an_app_wrote_is_not_taken_for_the_default) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY, a)");
  node.run("ALTER TABLE t ADD COLUMN d DEFAULT 'none'; INSERT INTO t VALUES(1, 'a', NULL)");
  EXPECT_EQ(node.captured("DELETE FROM t"), "t - 1 'a' NULL\n");
}

TEST(CaptureColumns, added_column_with_default_is_seen_in_old_rows_without_rowid) {
  MemoryNode node("CREATE TABLE t(a, x TEXT, y, PRIMARY KEY(y, x)) WITHOUT ROWID");
  node.run("INSERT INTO t VALUES('a', 'k', 1), ('b', 'k', 2); ALTER TABLE t ADD COLUMN d DEFAULT 7");
  EXPECT_EQ(node.captured("UPDATE t SET d = 8 WHERE y = 1"), "t ~ . 'k' 1 7>8\n");
  EXPECT_EQ(node.captured("DELETE FROM t WHERE y = 2"), "t - 'b' 'k' 2 7\n");
}

// Two rows, so that the statement which reads the default runs in the middle of another.
TEST(CaptureColumns, one_statement_over_many_old_rows) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY, a)");
  node.run("INSERT INTO t VALUES(1, 'a'), (2, 'b'); ALTER TABLE t ADD COLUMN d DEFAULT 'none'");
  EXPECT_EQ(node.captured("UPDATE t SET d = d || k"), "t ~ 1 . 'none'>'none1'\nt ~ 2 . 'none'>'none2'\n");
}

TEST(CaptureColumns, column_added_by_another_connection_is_seen) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY, a)");
  node.run("INSERT INTO t VALUES(1, 'a')");
  {
    Database other = unit::open_captured(node.path());
    other.execute("ALTER TABLE t ADD COLUMN d DEFAULT 'none'");
  }
  EXPECT_EQ(node.captured("UPDATE t SET a = 'b', d = 1"), "t ~ 1 'a'>'b' 'none'>1\n");
}

TEST(CaptureColumns, column_added_in_the_middle_of_a_transaction) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY, a); CREATE TABLE other(k INTEGER PRIMARY KEY)");
  node.run("INSERT INTO t VALUES(1, 'a')");
  node.run("BEGIN; INSERT INTO t VALUES(2, 'b'); ALTER TABLE t ADD COLUMN d DEFAULT 'none'");
  const std::string captured = node.captured("INSERT INTO t VALUES(3, 'c', 'd'); COMMIT");
  EXPECT_EQ(captured, "t + 2 'b' 'none'\nt + 3 'c' 'd'\n");
}

TEST(CaptureColumns, dropped_and_renamed_columns_are_followed) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY, a, b, c)", "a", GuardKind::kTriggers);
  node.run(
      "SELECT colony_allow_schema_changes(); INSERT INTO t VALUES(1, 'a', 'b', 'c'); ALTER TABLE t DROP COLUMN a; "
      "ALTER TABLE t RENAME COLUMN b TO z");
  EXPECT_EQ(node.captured("UPDATE t SET z = 'new'"), "t ~ 1 'b'>'new' .\n");
}

struct Generated {
  const char* name;
  const char* schema;
};

class GeneratedColumns : public testing::TestWithParam<Generated> {};

TEST_P(GeneratedColumns, are_left_out_wherever_they_stand) {
  MemoryNode node(GetParam().schema);
  EXPECT_EQ(node.captured("INSERT INTO t(k, a, b) VALUES(1, 'a', 'b')"), "t + 1 'a' 'b'\n");
  EXPECT_EQ(node.captured("UPDATE t SET b = 'B'"), "t ~ 1 . 'b'>'B'\n");
  EXPECT_EQ(node.captured("UPDATE t SET a = 'A'"), "t ~ 1 'a'>'A' .\n");
  EXPECT_EQ(node.captured("UPDATE t SET k = 2"), "t - 1 'A' 'B'\nt + 2 'A' 'B'\n");
  EXPECT_EQ(node.captured("REPLACE INTO t(k, a, b) VALUES(2, 'x', 'y')"), "t ~ 2 'A'>'x' 'B'>'y'\n");
  node.run("ALTER TABLE t ADD COLUMN d DEFAULT 'none'");
  EXPECT_EQ(node.captured("UPDATE t SET d = 1"), "t ~ 2 . . 'none'>1\n");
  EXPECT_EQ(node.captured("DELETE FROM t"), "t - 2 'x' 'y' 1\n");
}

INSTANTIATE_TEST_SUITE_P(
    CaptureColumns, GeneratedColumns,
    testing::Values(
        Generated{"virtual_first", "CREATE TABLE t(g AS (a || b), k INT PRIMARY KEY NOT NULL, a, b)"},
        Generated{"stored_first", "CREATE TABLE t(g AS (a || b) STORED, k INTEGER PRIMARY KEY, a, b)"},
        Generated{"virtual_between", "CREATE TABLE t(k INTEGER PRIMARY KEY, a, g AS (a || b) VIRTUAL, b)"},
        Generated{"stored_between", "CREATE TABLE t(k INTEGER PRIMARY KEY, a, g AS (a || b) STORED, b)"},
        Generated{"both", "CREATE TABLE t(g AS (b), k INT PRIMARY KEY NOT NULL, h AS (a) STORED, a, i AS (1), b)"},
        Generated{"without_rowid_virtual", "CREATE TABLE t(g AS (b), k PRIMARY KEY, a, h AS (a), b) WITHOUT ROWID"},
        Generated{"without_rowid_stored",
                  "CREATE TABLE t(g AS (b) STORED, k PRIMARY KEY, a, h AS (a) STORED, b) WITHOUT ROWID"},
        Generated{"without_rowid_key_later",
                  "CREATE TABLE t(g AS (b), k, h AS (1) STORED, a, i AS (a), b, PRIMARY KEY(k)) WITHOUT ROWID"},
        Generated{"last", "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b, g AS (a), h AS (b) STORED)"}),
    [](const auto& generated) { return std::string(generated.param.name); });

// SQLite 3.40 takes the column that is stored where the key is declared for the key.
TEST(CaptureColumns, key_that_the_hook_would_misread_is_refused) {
  if (!SqliteHost::get()->preupdate_in_storage_order) GTEST_SKIP() << "this SQLite does not misread it";
  MemoryNode node("CREATE TABLE t(g AS (a || b), k INTEGER PRIMARY KEY, a, b)");
  EXPECT_NE(unit::error_of(node.db(), "INSERT INTO t(a) VALUES('a')").find("declare the key first"), std::string::npos);
  EXPECT_EQ(node.rows("t"), "");
}

TEST(CaptureColumns, utf16_database_is_captured_in_utf8) {
  for (const std::string encoding : {"UTF-16le", "UTF-16be"}) {
    MemoryNode node("PRAGMA encoding = '" + encoding + "'; CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, a)");
    ASSERT_EQ(node.db().query_text("PRAGMA encoding"), encoding);
    EXPECT_EQ(node.captured("INSERT INTO t VALUES('Grüße', '😀'), ('', x'0041')"),
              "t + 'Gr\\xc3\\xbc\\xc3\\x9fe' '\\xf0\\x9f\\x98\\x80'\nt + '' x'0041'\n");
    EXPECT_EQ(node.captured("UPDATE t SET a = 'ä' WHERE k = 'Grüße'"),
              "t ~ 'Gr\\xc3\\xbc\\xc3\\x9fe' '\\xf0\\x9f\\x98\\x80'>'\\xc3\\xa4'\n");
    EXPECT_EQ(node.captured("DELETE FROM t WHERE k = 'Grüße'"), "t - 'Gr\\xc3\\xbc\\xc3\\x9fe' '\\xc3\\xa4'\n");
  }
}

TEST(CaptureColumns, names_with_quotes_spaces_and_keywords) {
  MemoryNode node(
      "CREATE TABLE \"my \"\"odd\"\" 'table'\"(\"select\" INTEGER PRIMARY KEY, \"a b\", \"ü\" DEFAULT 1);"
      "CREATE TABLE \"group\"(\"order\" TEXT PRIMARY KEY) WITHOUT ROWID; CREATE TABLE [x.y](z PRIMARY KEY NOT NULL)");
  EXPECT_EQ(node.captured("INSERT INTO \"my \"\"odd\"\" 'table'\"(\"a b\") VALUES(5)"), "my \"odd\" 'table' + 1 5 1\n");
  EXPECT_EQ(node.captured("DELETE FROM \"my \"\"odd\"\" 'table'\""), "my \"odd\" 'table' - 1 5 1\n");
  EXPECT_EQ(node.captured("INSERT INTO \"group\" VALUES('by')"), "group + 'by'\n");
  EXPECT_EQ(node.captured("INSERT INTO [x.y] VALUES(1)"), "x.y + 1\n");
}

TEST(CaptureColumns, strict_table_and_descending_integer_key) {
  MemoryNode node(
      "CREATE TABLE s(k INTEGER PRIMARY KEY, r REAL, t TEXT, b BLOB, a ANY) STRICT;"
      "CREATE TABLE d(k INTEGER PRIMARY KEY DESC, a)");
  EXPECT_EQ(node.captured("INSERT INTO s VALUES(1, 2, 'x', x'00', '007')"), "s + 1 2.0 'x' x'00' '007'\n");
  EXPECT_EQ(node.captured("INSERT INTO d VALUES(-5, 1); UPDATE d SET a = 2"), "d + -5 1\n--\nd ~ -5 1>2\n");
}

int statements_of(sqlite3* db) {
  int count = 0;
  for (sqlite3_stmt* at = sqlite3_next_stmt(db, nullptr); at != nullptr; at = sqlite3_next_stmt(db, at)) ++count;
  return count;
}

TEST(CaptureColumns, what_the_hook_does_not_show_is_read_with_few_statements) {
  std::string columns, schema;
  for (int i = 0; i < 200; ++i) columns += ", c" + std::to_string(i) + " DEFAULT 7";
  for (int i = 0; i < 90; ++i) schema += "CREATE TABLE t" + std::to_string(i) + "(k INTEGER PRIMARY KEY, c DEFAULT 7);";
  MemoryNode node("CREATE TABLE wide(k INTEGER PRIMARY KEY" + columns + ");" + schema);
  std::string nulls;
  for (int i = 0; i < 200; ++i) nulls += (i > 0 ? ", c" : "c") + std::to_string(i) + " = NULL";
  node.run("INSERT INTO wide(k) VALUES(1); UPDATE wide SET " + nulls);
  const int before = statements_of(node.db().handle());
  EXPECT_EQ(node.captured("UPDATE wide SET c3 = 5").substr(0, 19), "wide ~ 1 . . . NULL");
  EXPECT_LE(statements_of(node.db().handle()), before + 1);
  for (int i = 0; i < 90; ++i) {
    const std::string table = "t" + std::to_string(i);
    node.run("INSERT INTO " + table + " VALUES(1, NULL)");
    EXPECT_EQ(node.captured("DELETE FROM " + table), table + " - 1 NULL\n");
  }
  EXPECT_LE(statements_of(node.db().handle()), before + 70);
}

TEST(CaptureColumns, autoincrement_keys_are_captured_as_given) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY AUTOINCREMENT, a)");
  EXPECT_EQ(node.captured("INSERT INTO t(a) VALUES('x'); INSERT INTO t(k, a) VALUES(NULL, 'y')"),
            "t + 1 'x'\n--\nt + 2 'y'\n");
}

TEST(CaptureColumns, null_in_a_key_is_refused_by_the_guard) {
  MemoryNode node("CREATE TABLE t(x TEXT, y, a, PRIMARY KEY(x, y))");
  node.run("INSERT INTO t VALUES('x', 1, 1)");
  EXPECT_NE(unit::error_of(node.db(), "INSERT INTO t VALUES('x', NULL, 2)").find("NULL in the primary key of t"),
            std::string::npos);
  EXPECT_NE(unit::error_of(node.db(), "UPDATE t SET x = NULL"), "");
  EXPECT_EQ(node.rows("t"), "'x' 1 1\n");
  EXPECT_EQ(node.outbox().size(), 1u);
}

}  // namespace
}  // namespace colony
