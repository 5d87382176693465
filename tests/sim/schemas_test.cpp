// The hazards of schemas: what tables can be declared as, and what is in them.
#include <gtest/gtest.h>

#include "tests/sim/small_colony.h"

namespace colony::sim {
namespace {

using Rows = std::vector<std::string>;

TEST(Hazard, values) {
  SmallColony colony("CREATE TABLE t(k INTEGER PRIMARY KEY, i INTEGER, r REAL, x TEXT, n NUMERIC, b BLOB, a)",
                     {"a", "b", "c"});
  const Rows values = {"9223372036854775807",
                       "-9223372036854775808",
                       "9007199254740993",
                       "9007199254740993.0",
                       "-0.0",
                       "9e999",
                       "-9e999",
                       "1e-320",
                       "x''",
                       "zeroblob(100000)",
                       "''",
                       "NULL",
                       "1",
                       "1.0",
                       "'1'",
                       "'1.0'",
                       "CAST(x'610062' AS TEXT)",
                       "CAST(x'ff80' AS TEXT)",
                       "CAST(x'eda080' AS TEXT)",
                       "'2024-02-30'",
                       "'\xF0\x9F\x90\x9C'",
                       "x'00'",
                       "' 12 '",
                       "'0x10'"};
  std::string statements = "BEGIN;";
  for (const std::string& v : values) {
    statements +=
        "INSERT INTO t(i, r, x, n, b, a) VALUES(" + v + "," + v + "," + v + "," + v + "," + v + "," + v + ");";
  }
  colony.sql("a", statements + "COMMIT");
  ASSERT_EQ(colony.settle(), "");
  colony.sql("a", "UPDATE t SET a = r, r = i, i = b, b = x");
  colony.sql("b", "UPDATE t SET x = a, n = b");
  ASSERT_EQ(colony.settle(), "");
  colony.sql("c", "DELETE FROM t WHERE k % 2");
  ASSERT_EQ(colony.settle(), "");
}

TEST(Hazard, values_in_a_utf16_database) {
  SmallColony colony("PRAGMA encoding = 'UTF-16be'; CREATE TABLE t(k TEXT PRIMARY KEY COLLATE NOCASE, x)");
  colony.sql("a", "INSERT INTO t VALUES('Ä', 'größe'), ('\xF0\x9F\x90\x9C', char(97, 0, 98)), ('a', x'00d8')");
  colony.sql("b", "INSERT INTO t VALUES('A', 'b')");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows(
                "a", "SELECT k, x = 'b' OR x = char(97, 0, 98) FROM t WHERE k IN ('a', '\xF0\x9F\x90\x9C') ORDER BY k"),
            (Rows{"A|1", "\xF0\x9F\x90\x9C|1"}));
}

TEST(Hazard, names) {
  SmallColony colony(
      "CREATE TABLE \"the \"\"odd\"\" table\"(\"select\" INTEGER, \"a b\" TEXT, \"größe; --\", \"it's\" UNIQUE,"
      "  [or]ange, PRIMARY KEY(\"a b\", \"select\"));"
      "CREATE TABLE \"__Colony\"(k INTEGER PRIMARY KEY, \"\" TEXT);"
      "CREATE TABLE \"таблица\"(\"ключ\" TEXT PRIMARY KEY, \"%s\")");
  const std::string odd = "\"the \"\"odd\"\" table\"";
  colony.sql("a", "INSERT INTO " + odd +
                      " VALUES(1, 'x', 2, 3, 4); INSERT INTO \"таблица\" VALUES('а', 1);"
                      "INSERT INTO __Colony VALUES(1, 'x')");
  colony.sql("b", "INSERT INTO " + odd + " VALUES(2, 'x', 2, 3, 4)");
  ASSERT_EQ(colony.settle(), "");
  colony.sql("b", "UPDATE " + odd + " SET \"größe; --\" = 'new'; UPDATE \"таблица\" SET \"%s\" = 2");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", "SELECT * FROM " + odd), Rows{"2|x|new|3|4"});
  EXPECT_EQ(colony.rows("a", "SELECT * FROM \"таблица\""), Rows{"а|2"});
}

TEST(Hazard, composite_keys) {
  SmallColony colony("CREATE TABLE t(x, b TEXT, a INTEGER, PRIMARY KEY(a, b))");
  colony.sql("a", "INSERT INTO t VALUES('x', 'b', 1), ('y', 'b', 2)");
  ASSERT_EQ(colony.settle(), "");
  colony.sql("a", "UPDATE t SET a = 3 WHERE a = 2");
  colony.sql("b", "UPDATE t SET x = 'new' WHERE a = 1");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("b", "SELECT * FROM t ORDER BY a"), (Rows{"new|b|1", "y|b|3"}));
}

TEST(Hazard, without_rowid_keys) {
  SmallColony colony("CREATE TABLE t(x, b TEXT COLLATE NOCASE, a INTEGER, y, PRIMARY KEY(b DESC, a)) WITHOUT ROWID");
  colony.sql("a", "INSERT INTO t VALUES(1, 'b', 1, 1), (2, 'B', 2, 2)");
  ASSERT_EQ(colony.settle(), "");
  colony.sql("a", "UPDATE t SET b = upper(b)");
  colony.sql("b", "UPDATE t SET x = 9 WHERE a = 1");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("b", "SELECT a, b, y FROM t ORDER BY a"), (Rows{"1|B|1", "2|B|2"}));
}

TEST(Hazard, nocase_keys) {
  SmallColony colony("CREATE TABLE t(k TEXT PRIMARY KEY COLLATE NOCASE, x)");
  colony.sql("a", "INSERT INTO t VALUES('Ann', 1)");
  colony.sql("b", "INSERT INTO t VALUES('ANN', 2)");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", "SELECT * FROM t").size(), 1u);
  colony.sql("a", "UPDATE t SET k = 'ann'");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("b", "SELECT * FROM t"), colony.rows("a", "SELECT * FROM t"));
  EXPECT_EQ(colony.rows("b", "SELECT k FROM t"), Rows{"ann"});
}

TEST(Hazard, null_in_a_key_is_refused) {
  SmallColony colony("CREATE TABLE t(a TEXT, b INTEGER, x, PRIMARY KEY(a, b))");
  for (const char* insert : {"INSERT INTO t VALUES(NULL, 1, 1)", "INSERT OR IGNORE INTO t VALUES('a', NULL, 1)",
                             "INSERT OR REPLACE INTO t(x) VALUES(1)"}) {
    EXPECT_NE(colony.try_sql("a", insert).find("NULL in the primary key"), std::string::npos) << insert;
  }
  colony.sql("a", "INSERT INTO t VALUES('a', 1, 1)");
  EXPECT_NE(colony.try_sql("a", "UPDATE t SET b = NULL"), "");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("b", "SELECT * FROM t"), Rows{"a|1|1"});
}

TEST(Hazard, integer_primary_key_desc) {
  // Not the rowid, unlike INTEGER PRIMARY KEY: it may hold anything.
  SmallColony colony("CREATE TABLE t(k INTEGER PRIMARY KEY DESC, x)");
  colony.sql("a", "INSERT INTO t VALUES(2, 'two'), ('text', 'three'), (1.5, 'real')");
  colony.sql("b", "INSERT INTO t VALUES(2, 'other')");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("b", "SELECT k FROM t ORDER BY k"), (Rows{"1.5", "2", "text"}));
}

TEST(Hazard, generated_columns) {
  SmallColony colony(
      "CREATE TABLE t(k INTEGER PRIMARY KEY, v AS (x || '!') VIRTUAL, x, \"s\" AS (coalesce(\"y\", 'none')) STORED "
      "UNIQUE, y)");
  colony.sql("a", "INSERT INTO t(k, x, y) VALUES(1, 'x', 'y'), (2, 'z', NULL)");
  colony.sql("b", "INSERT INTO t(k, x, y) VALUES(3, 'b', NULL)");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", "SELECT count(*) FROM t"), Rows{"2"});
  colony.sql("b", "UPDATE t SET x = 'new' WHERE k = 1");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", "SELECT * FROM t WHERE k = 1"), Rows{"1|new!|new|y|y"});
}

TEST(Hazard, generated_columns_before_a_real_one) {
  // SQLite 3.40 shows the hook the integers of `k` and `n` as reals.
  SmallColony colony("CREATE TABLE t(g AS (1) VIRTUAL, x REAL, k PRIMARY KEY, h AS (2) VIRTUAL, y REAL, z REAL, n)");
  colony.sql("a", "INSERT INTO t VALUES(1, 5, 1, 1, 9007199254740993)");
  ASSERT_EQ(colony.settle(), "");
  colony.sql("a", "UPDATE t SET x = 2");
  colony.sql("b", "UPDATE t SET y = 3");
  colony.sql("b", "UPDATE t SET n = n + 1");
  colony.publish("a");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", "SELECT k, x, y, n FROM t"), Rows{"5|2.0|3.0|9007199254740994"});
  EXPECT_EQ(colony.conflicts("a"), Rows{});
}

TEST(Hazard, strict_tables) {
  SmallColony colony("CREATE TABLE t(k INT PRIMARY KEY NOT NULL, r REAL, x TEXT, b BLOB, a ANY) STRICT");
  colony.sql("a", "INSERT INTO t VALUES(1, 2, 3, x'04', '5'), (2, 1, 'x', x'', 5.0)");
  EXPECT_NE(colony.try_sql("a", "INSERT INTO t VALUES(3, 'no', 'x', x'', 1)"), "");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("b", "SELECT k, r, x, hex(b), a FROM t"), (Rows{"1|2.0|3|04|5", "2|1.0|x||5.0"}));
}

constexpr const char* kSearch =
    "CREATE TABLE doc(k INTEGER PRIMARY KEY, body TEXT);"
    "CREATE VIRTUAL TABLE search USING fts5(body, content='doc', content_rowid='k');"
    "CREATE TRIGGER doc_i AFTER INSERT ON doc BEGIN INSERT INTO search(rowid, body) VALUES(new.k, new.body); END;"
    "CREATE TRIGGER doc_d AFTER DELETE ON doc BEGIN"
    "  INSERT INTO search(search, rowid, body) VALUES('delete', old.k, old.body); END;"
    "CREATE TRIGGER doc_u AFTER UPDATE ON doc BEGIN"
    "  INSERT INTO search(search, rowid, body) VALUES('delete', old.k, old.body);"
    "  INSERT INTO search(rowid, body) VALUES(new.k, new.body); END";

TEST(Hazard, fts5_with_external_content) {
  SmallColony colony(kSearch);
  colony.sql("a", "INSERT INTO doc VALUES(1, 'an ant'), (2, 'a bee')");
  ASSERT_EQ(colony.settle(), "");
  colony.sql("b", "UPDATE doc SET body = 'a wasp' WHERE k = 2; INSERT INTO doc VALUES(3, 'a colony of ants')");
  colony.sql("a", "DELETE FROM doc WHERE k = 1; INSERT INTO doc VALUES(3, 'an elephant')");
  ASSERT_EQ(colony.settle(), "");
  for (const char* node : {"a", "b"}) {
    EXPECT_EQ(colony.rows(node, "SELECT rowid FROM search('bee OR ant')"), Rows{});
    EXPECT_EQ(colony.rows(node, "SELECT rowid FROM search('wasp')"), Rows{"2"});
    colony.sql(node, "INSERT INTO search(search, rank) VALUES('integrity-check', 1)");
  }
  EXPECT_EQ(colony.rows("a", "SELECT body FROM search('ele* OR ants')"),
            colony.rows("b", "SELECT body FROM search('ele* OR ants')"));
}

TEST(Hazard, r_tree) {
  SmallColony colony(
      "CREATE TABLE place(k INTEGER PRIMARY KEY, x REAL, y REAL);"
      "CREATE VIRTUAL TABLE box USING rtree(id, x0, x1, y0, y1);"
      "CREATE TRIGGER place_i AFTER INSERT ON place BEGIN"
      "  INSERT INTO box VALUES(new.k, new.x, new.x, new.y, new.y); END;"
      "CREATE TRIGGER place_d AFTER DELETE ON place BEGIN DELETE FROM box WHERE id = old.k; END;"
      "CREATE TRIGGER place_u AFTER UPDATE ON place BEGIN"
      "  UPDATE box SET x0 = new.x, x1 = new.x, y0 = new.y, y1 = new.y WHERE id = new.k; END");
  colony.sql("a", "INSERT INTO place VALUES(1, 1, 1), (2, 5, 5)");
  ASSERT_EQ(colony.settle(), "");
  colony.sql("b", "UPDATE place SET x = 2 WHERE k = 1; DELETE FROM place WHERE k = 2");
  colony.sql("a", "INSERT INTO place VALUES(3, 3, 3); UPDATE place SET y = 4 WHERE k = 1");
  ASSERT_EQ(colony.settle(), "");
  for (const char* node : {"a", "b"}) {
    EXPECT_EQ(colony.rows(node, "SELECT id, x0, y0 FROM box WHERE x0 > 0 ORDER BY id"),
              (Rows{"1|2.0|4.0", "3|3.0|3.0"}));
    EXPECT_EQ(colony.rows(node, "SELECT rtreecheck('box')"), Rows{"ok"});
  }
}

TEST(Hazard, on_conflict_clauses_of_a_schema_decide_nothing_elsewhere) {
  SmallColony colony(
      "CREATE TABLE t(k INTEGER PRIMARY KEY ON CONFLICT IGNORE, x UNIQUE ON CONFLICT ROLLBACK, y UNIQUE ON CONFLICT "
      "FAIL)");
  colony.sql("a", "INSERT INTO t VALUES(1, 'x', 'y'), (2, 'u', 'v')");
  colony.sql("b", "INSERT INTO t VALUES(1, 'b', 'w'), (3, 'u', 'y')");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", "SELECT count(*) FROM t"), colony.rows("b", "SELECT count(*) FROM t"));
}

TEST(Hazard, wide_tables) {
  std::string columns, values;
  for (int i = 0; i < 180; ++i) {
    columns += ", c" + std::to_string(i) + (i % 2 ? " REAL" : "");
    values += ", " + std::string(i % 3 ? "-0.0" : "'x'");
  }
  SmallColony colony("CREATE TABLE t(k TEXT PRIMARY KEY COLLATE NOCASE" + columns + ")");
  colony.sql("a", "INSERT INTO t VALUES('k'" + values + ")");
  ASSERT_EQ(colony.settle(), "");
  std::string all;
  for (int i = 0; i < 150; ++i) all += (i ? ", c" : "c") + std::to_string(i) + " = 0.0";
  colony.sql("a", "UPDATE t SET " + all + "; UPDATE t SET k = 'K'");
  colony.sql("b", "UPDATE t SET c3 = 5; DELETE FROM t");
  ASSERT_EQ(colony.settle(), "");
}

}  // namespace
}  // namespace colony::sim
