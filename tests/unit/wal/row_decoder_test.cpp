#include "replicator/wal/row_decoder.h"

#include <gtest/gtest.h>

#include "../memory_node.h"
#include "../temporary_folder.h"
#include "watched_file.h"

namespace colony::unit {
namespace {

// The rows as they are read from the pages, in the order of their text; SQLite must say the same.
std::string decoded(const std::string& sql, const std::string& encoding = "UTF-8") {
  TemporaryFolder folder;
  WatchedFile file(folder / "x.db", {.encoding = encoding}, "");
  file.program().execute(sql);
  // The tables are watched from an empty state on: all rows come as changes.
  const std::string rows = [&] {
    std::string name = file.program().query_text("SELECT name FROM sqlite_schema WHERE type = 'table'");
    const WalLog log(file.program());
    PageVersions pages(log, log.wait_for_end());
    RowDecoder decoder(*load_captured_table(file.program().handle(), "main", name), log.format());
    const auto root = static_cast<PageNumber>(
        file.program().query_integer("SELECT rootpage FROM sqlite_schema WHERE name = '" + name + "'"));
    const PageImage image = pages.before(root);
    const BtreePage page = *BtreePage::read(*image, root, pages.format());
    std::string text;
    BtreeCell cell;
    DecodedRow row;
    for (std::size_t i = 0; i < page.cells(); ++i) {
      if (!page.cell(i, cell)) return std::string("no cell");
      const bool has_key = decoder.decode({cell.rowid, cell.local}, row);
      text += (text.empty() ? "" : "; ") + (has_key ? shown(row.values) : "no key");
    }
    return text;
  }();
  return rows;
}

TEST(RowDecoder, takes_an_integer_primary_key_from_the_rowid) {
  EXPECT_EQ(decoded("CREATE TABLE t(a, id INTEGER PRIMARY KEY, b); INSERT INTO t VALUES('x', -7, NULL)"),
            "'x' -7 NULL");
}

TEST(RowDecoder, shows_integers_in_real_columns_as_reals) {
  EXPECT_EQ(decoded("CREATE TABLE t(id INTEGER PRIMARY KEY, r REAL, f FLOATING, n NUMERIC, x);"
                    "INSERT INTO t VALUES(1, 5, 0, 5.0, 5.0), (2, 1e300, 'text', 0.5, -0.0), (3, -0.0, 1, 1, 1)"),
            "1 5.0 0.0 5 5.0; 2 1.0000000000000001e+300 'text' 0.5 -0.0; 3 0.0 1.0 1 1");
}

TEST(RowDecoder, gives_rows_older_than_a_column_its_default) {
  EXPECT_EQ(decoded("CREATE TABLE t(id INTEGER PRIMARY KEY, a); INSERT INTO t VALUES(1, 'old');"
                    "ALTER TABLE t ADD COLUMN b DEFAULT 'x'; ALTER TABLE t ADD COLUMN c REAL DEFAULT 3;"
                    "ALTER TABLE t ADD COLUMN d INT DEFAULT '7'; ALTER TABLE t ADD COLUMN e;"
                    "INSERT INTO t VALUES(2, 'new', NULL, 1, 2, 3)"),
            "1 'old' 'x' 3.0 7 NULL; 2 'new' NULL 1.0 2 3");
}

TEST(RowDecoder, converts_text_from_utf_16) {
  for (const char* const encoding : {"UTF-16le", "UTF-16be"}) {
    EXPECT_EQ(decoded("CREATE TABLE t(k TEXT PRIMARY KEY, b, c) WITHOUT ROWID;"
                      "INSERT INTO t VALUES('\xc3\xa9\xf0\x9f\x98\x80', x'e9', ''), ('a', 5, 'b' || char(0) || 'c')",
                      encoding),
              "'a' 5 'b\\x00c'; '\\xc3\\xa9\\xf0\\x9f\\x98\\x80' x'e9' ''")
        << encoding;
  }
}

// Halves of characters, half a unit, byte order marks: SQLite's own conversion decides.
TEST(RowDecoder, converts_damaged_utf_16_as_sqlite_does) {
  TemporaryFolder folder;
  for (const char* const encoding : {"UTF-16le", "UTF-16be"}) {
    WatchedFile file(folder / encoding, {.encoding = encoding}, "CREATE TABLE t(id INTEGER PRIMARY KEY, x)");
    file.run(
        "INSERT INTO t(x) SELECT CAST(value AS TEXT) FROM (SELECT x'00d8' AS value UNION SELECT x'd800' UNION "
        "SELECT x'd800dc' UNION SELECT x'dc00d800' UNION SELECT x'61' UNION SELECT x'6100d8' UNION SELECT x'fffe61' "
        "UNION SELECT x'feff0061')");
    EXPECT_EQ(file.read_rows("t").size(), 8u);
    EXPECT_EQ(file.difference(), "") << encoding;
  }
}

TEST(RowDecoder, leaves_generated_columns_out) {
  EXPECT_EQ(decoded("CREATE TABLE t(v AS (b * 2), a, s AS (a + 1) STORED, id INTEGER PRIMARY KEY, b);"
                    "INSERT INTO t(a, id, b) VALUES(10, 1, 20)"),
            "10 1 20");
  EXPECT_EQ(decoded("CREATE TABLE t(v AS (b), s AS (a) STORED, b, c, a, PRIMARY KEY(a)) WITHOUT ROWID;"
                    "INSERT INTO t(b, c, a) VALUES(1, 2, 3)"),
            "1 2 3");
}

TEST(RowDecoder, finds_columns_of_a_key_in_another_order) {
  EXPECT_EQ(decoded("CREATE TABLE t(w, b, a, c, PRIMARY KEY(c, a)) WITHOUT ROWID; INSERT INTO t VALUES(1, 2, 3, 4)"),
            "1 2 3 4");
  EXPECT_EQ(decoded("CREATE TABLE t(w, b, a, c, PRIMARY KEY(c, a)); INSERT INTO t VALUES(1, 2, 3, 4)"), "1 2 3 4");
  EXPECT_EQ(
      decoded("CREATE TABLE t(w, k REAL, PRIMARY KEY(k DESC)) WITHOUT ROWID; INSERT INTO t VALUES(1, 2), (3, 4.5)"),
      "3 4.5; 1 2.0");
}

TEST(RowDecoder, says_when_a_key_has_a_null) {
  EXPECT_EQ(decoded("CREATE TABLE t(a, b, PRIMARY KEY(a, b)); INSERT INTO t VALUES(1, NULL), (NULL, 1), (1, 1)"),
            "no key; no key; 1 1");
}

TEST(RowDecoder, gives_every_kind_of_value) {
  EXPECT_EQ(decoded("CREATE TABLE t(id INTEGER PRIMARY KEY, x);"
                    "INSERT INTO t(x) VALUES(NULL), (0), (1), (-1), (9223372036854775807), (1.5), (9e999), "
                    "(-9e999), (9e999 - 9e999), (''), (x''), ('a'), (x'00ff')"),
            "1 NULL; 2 0; 3 1; 4 -1; 5 9223372036854775807; 6 1.5; 7 inf; 8 -inf; 9 NULL; 10 ''; 11 x''; 12 'a'; "
            "13 x'00ff'");
}

TEST(RowDecoder, refuses_bytes_that_are_no_row) {
  TemporaryFolder folder;
  Database db = new_wal_database(folder / "x.db", {}, "CREATE TABLE t(id INTEGER PRIMARY KEY, x)");
  RowDecoder decoder(*load_captured_table(db.handle(), "main", "t"), {4096, 0});
  DecodedRow row;
  EXPECT_THROW(decoder.decode({1, "\x09"}, row), WalLost);
}

}  // namespace
}  // namespace colony::unit
