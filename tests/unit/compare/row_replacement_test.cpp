// A file's rows become those of another one, byte for byte, and nothing else does.
#include "replicator/compare/row_replacement.h"

#include <gtest/gtest.h>

#include <optional>

#include "replicator/fold/fold.h"
#include "replicator/store/file_layout.h"
#include "sqlite_ext/capture.h"
#include "tests/unit/memory_node.h"
#include "tests/unit/temporary_folder.h"

namespace colony::unit {
namespace {

// No power cut is survived here: a flush for each statement would take most of the time.
constexpr const char* kSchema = R"(
  PRAGMA synchronous = OFF;
  CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY, a, b REAL, u UNIQUE, twice GENERATED ALWAYS AS (a || a));
  CREATE TABLE w(x, y, z, PRIMARY KEY(x, y)) WITHOUT ROWID;
  CREATE TABLE own(what);
)";

class RowReplacementTest : public testing::Test {
 protected:
  static void make(const std::string& path, const std::string& rows) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(db, (std::string(kSchema) + rows).c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(db);
    Database file = open_for_fold(path);
    file.execute("PRAGMA synchronous = OFF");
    install_capture(file.handle(), linked_host());
    create_layout(file);
    file.execute("INSERT INTO __colony_tables(name) VALUES('t'), ('w')");
  }

  void begin(const std::string& here, const std::string& there) {
    make(folder_ / "here", here);
    make(folder_ / "there", there);
    here_ = open_for_fold(folder_ / "here");
    there_ = open_for_fold(folder_ / "there");
    schema_.load(here_);
    replacement_.emplace(here_, schema_, there_);
  }

  std::uint64_t replace() {
    replacement_->compare([] {});
    WriteTransaction transaction(here_);
    const std::uint64_t replaced = replacement_->apply();
    transaction.commit();
    return replaced;
  }

  static std::string rows(Database& db) {
    return db.query_text(
               "SELECT group_concat(line, char(10)) FROM (SELECT quote(k) || typeof(a) || quote(a) || quote(b) || "
               "quote(u) || "
               "quote(twice) AS line FROM t ORDER BY k COLLATE BINARY)") +
           "\n" +
           db.query_text(
               "SELECT group_concat(line, char(10)) FROM (SELECT quote(x) || quote(y) || typeof(z) || quote(z) AS line "
               "FROM w ORDER BY x, y)");
  }

  const TemporaryFolder folder_;
  Database here_, there_;
  ReplicatedSchema schema_;
  std::optional<RowReplacement> replacement_;
};

TEST_F(RowReplacementTest, missing_additional_and_differing_rows_become_the_others) {
  begin("INSERT INTO t(k, a, u) VALUES('same', 1, 1), ('gone', 2, 2), ('other', 3, 3); INSERT INTO w VALUES(1, 1, 'x')",
        "INSERT INTO t(k, a, u) VALUES('same', 1, 1), ('other', 4, 3), ('new', 5, 5); INSERT INTO w VALUES(1, 2, 'x')");
  EXPECT_EQ(replace(), 3u);
  EXPECT_EQ(rows(here_), rows(there_));
}

TEST_F(RowReplacementTest, types_and_the_case_of_keys_count) {
  begin("INSERT INTO t(k, a, u) VALUES('Key', 1, 1), ('b', '1', 2), ('c', x'31', 3); INSERT INTO w VALUES(1, 1, 1)",
        "INSERT INTO t(k, a, u) VALUES('KEY', 1, 1), ('b', 1, 2), ('c', '1', 3); INSERT INTO w VALUES(1, 1, 1.0)");
  replace();
  EXPECT_EQ(rows(here_), rows(there_));
}

TEST_F(RowReplacementTest, unique_values_may_have_changed_places) {
  begin("INSERT INTO t(k, u) VALUES('a', 1), ('b', 2), ('c', 3)",
        "INSERT INTO t(k, u) VALUES('a', 2), ('b', 3), ('d', 1)");
  replace();
  EXPECT_EQ(rows(here_), rows(there_));
}

TEST_F(RowReplacementTest, tables_that_are_not_replicated_stay) {
  begin("INSERT INTO own VALUES('mine')", "INSERT INTO own VALUES('theirs')");
  EXPECT_EQ(replace(), 0u);
  EXPECT_EQ(here_.query_text("SELECT what FROM own"), "mine");
}

TEST_F(RowReplacementTest, rows_that_were_noted_are_compared_again) {
  begin("INSERT INTO t(k, u) VALUES('a', 1)", "INSERT INTO t(k, u) VALUES('a', 1)");
  replacement_->compare([] {});
  // Written after the comparison; its changeset says so.
  here_.execute("UPDATE t SET a = 'late'");
  const std::string change =
      changeset_at_origin(kSchema, "INSERT INTO t(k, u) VALUES('a', 1)", "UPDATE t SET a = 'late'");
  replacement_->note(change);
  WriteTransaction transaction(here_);
  EXPECT_EQ(replacement_->apply(), 1u);
  EXPECT_EQ(rows(here_), rows(there_));
}

TEST_F(RowReplacementTest, columns_that_were_added_since_get_their_default) {
  make(folder_ / "here", "INSERT INTO w VALUES(1, 1, 'a'), (2, 2, 'b'); ALTER TABLE w ADD COLUMN more DEFAULT 'new'");
  make(folder_ / "there", "INSERT INTO w VALUES(1, 1, 'x'), (3, 3, 'c')");
  here_ = open_for_fold(folder_ / "here");
  there_ = open_for_fold(folder_ / "there");
  schema_.load(here_);
  replacement_.emplace(here_, schema_, there_);
  EXPECT_EQ(replace(), 2u);
  EXPECT_EQ(here_.query_text("SELECT group_concat(x || z || more, ' ') FROM (SELECT * FROM w ORDER BY x)"),
            "1xnew 3cnew");
}

TEST_F(RowReplacementTest, other_columns_are_refused) {
  make(folder_ / "here", "");
  make(folder_ / "there", "ALTER TABLE w ADD COLUMN more;");
  here_ = open_for_fold(folder_ / "here");
  there_ = open_for_fold(folder_ / "there");
  schema_.load(here_);
  EXPECT_THROW(RowReplacement(here_, schema_, there_), SchemaMismatch);
}

}  // namespace
}  // namespace colony::unit
