#include "replicator/wal/page_changes.h"

#include <gtest/gtest.h>

#include "../temporary_folder.h"
#include "watched_file.h"

namespace colony::unit {
namespace {

using Lines = std::vector<std::string>;

constexpr const char* kRows =
    "CREATE TABLE t(id INTEGER PRIMARY KEY, x, y);"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
    "INSERT INTO t SELECT i, 'row ' || i, zeroblob(i % 60) FROM n;";

class PageChangesTest : public testing::Test {
 protected:
  WatchedFile& file(const FileForm& form, const std::string& sql) {
    file_.reset();
    return file_.emplace(folder_ / ("x" + std::to_string(++files_)), form, sql);
  }
  // What is read of a transaction must always be what SQLite says.
  Lines run(const std::string& sql) {
    Lines lines = file_->run(sql);
    EXPECT_EQ(file_->difference(), "") << sql;
    return lines;
  }
  std::int64_t number(const std::string& sql) { return file_->program().query_integer(sql); }

  TemporaryFolder folder_;
  std::optional<WatchedFile> file_;
  int files_ = 0;
};

TEST_F(PageChangesTest, are_the_rows_that_changed) {
  file({}, kRows);
  EXPECT_EQ(run("INSERT INTO t VALUES(2000, 'new', 1.5)"), Lines{"+ 2000 'new' 1.5"});
  EXPECT_EQ(run("UPDATE t SET x = 'changed', y = NULL WHERE id = 2000"),
            (Lines{"- 2000 'new' 1.5", "+ 2000 'changed' NULL"}));
  EXPECT_EQ(run("UPDATE t SET id = -5 WHERE id = 2000"), (Lines{"- 2000 'changed' NULL", "+ -5 'changed' NULL"}));
  EXPECT_EQ(run("DELETE FROM t WHERE id = -5"), Lines{"- -5 'changed' NULL"});
  EXPECT_EQ(run("UPDATE t SET x = x WHERE id = 1"), Lines{});
}

TEST_F(PageChangesTest, say_nothing_of_rows_on_other_pages) {
  file({}, kRows);
  run("UPDATE t SET x = 1 WHERE id = 500");
  EXPECT_LT(file_->told(), 3u) << "equal rows beside it are not told";
}

TEST_F(PageChangesTest, of_rows_that_went_to_other_pages_are_none) {
  file({.page_bytes = 512}, kRows);
  EXPECT_EQ(run("INSERT INTO t VALUES(0, hex(zeroblob(150)), NULL)").size(), 1u) << "a leaf is split";
  EXPECT_EQ(run("DELETE FROM t WHERE id = 0").size(), 1u) << "leaves are merged";
  Lines deleted = run("DELETE FROM t WHERE id % 20 != 0");
  EXPECT_EQ(deleted.size(), 950u);
}

TEST_F(PageChangesTest, of_a_rowid_at_its_edges) {
  file({}, kRows);
  EXPECT_EQ(
      run("INSERT INTO t VALUES(-9223372036854775808, 1, 2), (9223372036854775807, 3, 4), (72057594037927936, 5, 6)"),
      (Lines{"+ -9223372036854775808 1 2", "+ 72057594037927936 5 6", "+ 9223372036854775807 3 4"}));
}

TEST_F(PageChangesTest, of_leaves_that_were_freed_and_not_written) {
  file({.page_bytes = 512}, kRows);
  file_->program().execute("PRAGMA secure_delete = OFF");
  EXPECT_EQ(run("DELETE FROM t WHERE id BETWEEN 200 AND 900").size(), 701u);
  EXPECT_EQ(run("DELETE FROM t").size(), 299u) << "all at once: only the root is written";
  EXPECT_LT(file_->told(), 310u);
}

TEST_F(PageChangesTest, of_a_table_that_is_emptied_and_filled_in_one_transaction) {
  file({.page_bytes = 512}, kRows);
  const Lines lines = run("BEGIN; DELETE FROM t; INSERT INTO t VALUES(7, 'row 7', zeroblob(7)), (8, 1, 2); COMMIT");
  EXPECT_EQ(lines.size(), 1000u) << "all but the row that is as it was, and one that is new";
  EXPECT_EQ(lines.back(), "+ 8 1 2");
}

TEST_F(PageChangesTest, are_none_when_rows_are_put_back) {
  file({.page_bytes = 512}, kRows);
  EXPECT_EQ(run("CREATE TEMP TABLE kept AS SELECT * FROM t; BEGIN; DELETE FROM t;"
                "INSERT INTO t SELECT * FROM kept ORDER BY id DESC; COMMIT"),
            Lines{});
}

TEST_F(PageChangesTest, of_a_table_without_rowid_stand_on_interior_pages_too) {
  file({.page_bytes = 512},
       "CREATE TABLE t(w, b TEXT COLLATE NOCASE, a INT, PRIMARY KEY(a, b)) WITHOUT ROWID;"
       "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600)"
       "INSERT INTO t SELECT 'w' || i, 'Key' || hex(zeroblob(10)), i FROM n;");
  ASSERT_GT(number("SELECT count(*) FROM dbstat WHERE name = 't' AND pagetype = 'internal'"), 1);
  // Each row by itself, so that those on interior pages are among them.
  for (int a = 1; a <= 600; a += 7) {
    const std::string key = std::to_string(a), b = "'Key" + std::string(20, '0') + "'";
    EXPECT_EQ(run("UPDATE t SET w = 5 WHERE a = " + key),
              (Lines{"- 'w" + key + "' " + b + " " + key, "+ 5 " + b + " " + key}));
    EXPECT_EQ(run("DELETE FROM t WHERE a = " + key), Lines{"- 5 " + b + " " + key});
  }
  EXPECT_EQ(run("UPDATE t SET b = upper(b)").size(), 2 * (600u - 86)) << "a collation that finds them equal";
}

TEST_F(PageChangesTest, of_overflow_pages_that_were_written_alone) {
  file({.page_bytes = 512},
       "CREATE TABLE t(id INTEGER PRIMARY KEY, x); INSERT INTO t VALUES(1, zeroblob(5000)), (2, 'x')");
  sqlite3_blob* blob = nullptr;
  ASSERT_EQ(sqlite3_blob_open(file_->program().handle(), "main", "t", "x", 1, 1, &blob), SQLITE_OK);
  ASSERT_EQ(sqlite3_blob_write(blob, "\x01", 1, 4000), SQLITE_OK);
  ASSERT_EQ(sqlite3_blob_close(blob), SQLITE_OK);
  EXPECT_EQ(run("").size(), 2u);
  EXPECT_EQ(number("SELECT instr(x, x'01') FROM t WHERE id = 1"), 4001);
  EXPECT_EQ(run("UPDATE t SET x = 'y' WHERE id = 2"), (Lines{"- 2 'x'", "+ 2 'y'"})) << "with the chains known";
  EXPECT_EQ(run("DELETE FROM t WHERE id = 1").size(), 1u);
}

TEST_F(PageChangesTest, of_chains_that_become_others) {
  file({.page_bytes = 512}, kRows);
  for (const std::string size : {"3000", "100", "476", "9000", "508", "0"}) {
    EXPECT_EQ(run("UPDATE t SET y = zeroblob(" + size + ") WHERE id % 100 = 7").size(), 20u) << size;
  }
}

TEST_F(PageChangesTest, of_rows_on_pages_that_a_vacuum_moves_are_none) {
  for (const std::string vacuum : {"FULL", "INCREMENTAL"}) {
    file({.page_bytes = 512, .auto_vacuum = vacuum},
         "CREATE TABLE first(id INTEGER PRIMARY KEY, x);"
         "INSERT INTO first SELECT value, zeroblob(9000) FROM json_each('[1,2,3,4,5]');" +
             std::string(kRows) + "UPDATE t SET y = zeroblob(2000) WHERE id % 200 = 0;");
    const std::int64_t before = number("PRAGMA page_count");
    EXPECT_EQ(run("DELETE FROM first").size(), 5u);
    EXPECT_EQ(run("PRAGMA incremental_vacuum").size(), 0u);
    EXPECT_LT(number("PRAGMA page_count"), before - 50) << vacuum;
    EXPECT_EQ(run("UPDATE t SET x = 1 WHERE id = 1000").size(), 2u);
  }
}

TEST_F(PageChangesTest, go_on_in_a_log_that_was_begun_anew) {
  file({.page_bytes = 512}, kRows);
  for (const std::string kind : {"PASSIVE", "FULL", "RESTART", "TRUNCATE"}) {
    run("UPDATE t SET y = '" + kind + "' WHERE id % 10 = 3");
    file_->move_pin();
    file_->program().execute("PRAGMA wal_checkpoint(PASSIVE)");
    file_->move_pin();
    const WalSalt before = file_->log().wait_for_end().salt;
    file_->program().execute("PRAGMA wal_checkpoint(" + kind + ")");
    EXPECT_EQ(run("INSERT OR REPLACE INTO t VALUES(5000, '" + kind + "', 0)").back(), "+ 5000 '" + kind + "' 0");
    EXPECT_NE(file_->log().wait_for_end().salt, before) << kind;
  }
}

TEST_F(PageChangesTest, of_a_transaction_whose_pages_were_written_more_than_once) {
  file({.page_bytes = 512}, kRows);
  file_->program().execute("PRAGMA cache_size = 5");
  const Lines lines =
      run("BEGIN; UPDATE t SET x = 1; SAVEPOINT s; UPDATE t SET x = 2; ROLLBACK TO s;"
          "UPDATE t SET x = 3 WHERE id <= 10; DELETE FROM t WHERE id > 10; COMMIT");
  EXPECT_EQ(lines.size(), 1010u);
}

TEST_F(PageChangesTest, of_several_tables_at_once) {
  file({},
       "CREATE TABLE a(id INTEGER PRIMARY KEY, x); CREATE TABLE b(k TEXT PRIMARY KEY) WITHOUT ROWID;"
       "CREATE TABLE none(x); CREATE TABLE c(k PRIMARY KEY);");
  EXPECT_EQ(run("BEGIN; INSERT INTO a VALUES(1, 2); INSERT INTO b VALUES('b'); INSERT INTO none VALUES(3);"
                "INSERT INTO c VALUES(4); COMMIT"),
            (Lines{"+ 1 2", "+ 'b'", "+ 4"}));
}

// Both sides of where a record begins to overflow, and of where that takes another page.
TEST_F(PageChangesTest, of_rows_of_every_size_around_the_thresholds) {
  const FileForm forms[] = {{.page_bytes = 512},
                            {.page_bytes = 512, .reserved_bytes = 32},
                            {.page_bytes = 1024},
                            {.page_bytes = 4096, .reserved_bytes = 255},
                            {.page_bytes = 32768},
                            {.page_bytes = 65536},
                            {.page_bytes = 65536, .reserved_bytes = 12}};
  for (const FileForm& form : forms) {
    SCOPED_TRACE(std::to_string(form.page_bytes) + " - " + std::to_string(form.reserved_bytes));
    file(form, "CREATE TABLE t(id INTEGER PRIMARY KEY, x); CREATE TABLE w(k BLOB PRIMARY KEY, v) WITHOUT ROWID;");
    const int usable = form.page_bytes - form.reserved_bytes;
    const int least = (usable - 12) * 32 / 255 - 23;
    for (const int from : {usable - 35, (usable - 12) * 64 / 255 - 23, least + usable - 4, least + 2 * (usable - 4)}) {
      const std::string sizes = "WITH RECURSIVE n(i) AS (SELECT " + std::to_string(from - 6) +
                                " UNION ALL SELECT i + 1 FROM n WHERE i < " + std::to_string(from + 2) + ") ";
      file_->program().execute(sizes + "INSERT OR REPLACE INTO t SELECT i, zeroblob(i) FROM n");
      file_->program().execute(sizes + "INSERT OR REPLACE INTO w SELECT zeroblob(i), i FROM n");
      EXPECT_EQ(file_->take(), 2);
      EXPECT_EQ(file_->difference(), "") << from;
    }
  }
}

TEST_F(PageChangesTest, refuse_a_record_that_is_larger_than_its_database) {
  file({.page_bytes = 512}, "CREATE TABLE t(id INTEGER PRIMARY KEY, x)");
  file_->program().execute("INSERT INTO t VALUES(1, zeroblob(1000))");
  const WalEnd end = file_->log().wait_for_end();
  // The size of the record, in the last frame that has the table's only page.
  sqlite3_file* log = nullptr;
  sqlite3_file_control(file_->program().handle(), "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
  std::string page;
  bool is_damaged = false;
  for (FrameNumber frame = 1; frame <= end.frame; ++frame) {
    WalFrame header;
    ASSERT_TRUE(file_->log().read_frame(frame, header) && file_->log().read_frame_page(frame, page));
    if (header.page != file_->root("t") || page[4] != 1) continue;
    const int at = static_cast<unsigned char>(page[8]) << 8 | static_cast<unsigned char>(page[9]);
    // Its local bytes begin later, and its overflow page is another number: no matter.
    ASSERT_EQ(log->pMethods->xWrite(log, "\xff\xff\xff\xff\xff\xff\xff\xff\x01", 9, 32 + frame * 536 - 512 + at),
              SQLITE_OK);
    is_damaged = true;
  }
  ASSERT_TRUE(is_damaged);
  EXPECT_THROW(file_->take(), WalLost);
}

}  // namespace
}  // namespace colony::unit
