// What differs between two files, as rows, as a changeset, and taken over. The changeset
// must make the one's rows of the other's when it is folded there.
#include "replicator/compare/row_differences.h"

#include <gtest/gtest.h>

#include <optional>

#include "replicator/fold/fold.h"
#include "replicator/repair/added_columns.h"
#include "replicator/repair/kept_rows.h"
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

std::string create(const std::string& path, const std::string& sql) {
  sqlite3* db = nullptr;
  EXPECT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
  sqlite3_close(db);
  return path;
}

class RowDifferencesTest : public testing::Test {
 protected:
  void make(const std::string& name, const std::string& rows) {
    Database file = open_for_fold(create(folder_ / name, std::string(kSchema) + rows));
    file.execute("PRAGMA synchronous = OFF");
    install_capture(file.handle(), linked_host());
    create_layout(file);
    file.execute("INSERT INTO __colony_tables(name) VALUES('t'), ('w')");
  }

  // `bytes_max` of what is kept stay in memory.
  void compare(const std::string& mine, const std::string& theirs, std::size_t bytes_max = 0) {
    make("mine", mine);
    make("theirs", theirs);
    open(bytes_max);
  }

  void open(std::size_t bytes_max) {
    mine_ = open_for_fold(folder_ / "mine", SpillSettings{folder_ / "", bytes_max});
    theirs_ = open_for_fold(folder_ / "theirs");
    my_schema_.load(mine_);
    their_schema_.load(theirs_);
    differences_.emplace(mine_, my_schema_, theirs_, their_schema_, wanted_);
    differences_->compare([] {});
  }

  // "t: mine > theirs", a row each.
  std::string shown_rows() {
    std::string text;
    differences_->for_each([&](const RowDifference& difference) {
      text += difference.table.name + ": " + (difference.mine != nullptr ? shown(*difference.mine) : "nothing");
      text += " > " + (difference.theirs != nullptr ? shown(*difference.theirs) : "nothing") + "\n";
      return true;
    });
    return text;
  }

  // Both ways out end with equal rows. Gives the changeset of the one.
  std::string repaired() {
    Spill changeset(mine_.spill());
    const std::uint64_t shape = differences_->write_changeset(changeset);
    std::string changes = shown_changes(changeset.view());
    const std::string wanted = all_rows(mine_);
    Conflicts conflicts;
    Fold fold(theirs_, their_schema_);
    theirs_.execute("BEGIN");
    fold.apply(changeset, conflicts, shape);
    EXPECT_TRUE(conflicts.empty()) << conflicts.front().key;
    EXPECT_EQ(all_rows(theirs_), wanted);
    theirs_.execute("ROLLBACK");

    WriteTransaction transaction(mine_);
    differences_->put_theirs();
    transaction.commit();
    EXPECT_EQ(all_rows(mine_), all_rows(theirs_));
    for (const DifferingRows& table : differences_->count()) EXPECT_EQ(table.rows(), 0u) << table.table;
    return changes;
  }

  static std::string all_rows(Database& db) { return rows(db, "t") + rows(db, "w"); }

  const TemporaryFolder folder_;
  std::set<std::string> wanted_;
  Database mine_, theirs_;
  ReplicatedSchema my_schema_, their_schema_;
  std::optional<RowDifferences> differences_;
};

TEST_F(RowDifferencesTest, equal_files_do_not_differ) {
  const char* const kRows = "INSERT INTO t(k, a, b) VALUES('a', 1, 2.5); INSERT INTO w VALUES(1, 2, 3)";
  compare(kRows, kRows);
  EXPECT_EQ(shown_rows(), "");
  EXPECT_EQ(repaired(), "");
}

TEST_F(RowDifferencesTest, rows_of_one_side_and_rows_that_are_different) {
  compare(
      "INSERT INTO t(k, a, u) VALUES('same', 1, 1), ('more', 2, 2), ('other', 3, 3); INSERT INTO w VALUES(1, 1, 'x')",
      "INSERT INTO t(k, a, u) VALUES('same', 1, 1), ('other', 4, 3), ('less', 5, 5); INSERT INTO w VALUES(1, 1, 'x')");
  EXPECT_EQ(shown_rows(),
            "t: nothing > 'less' 5 NULL 5\n"
            "t: 'other' 3 NULL 3 > 'other' 4 NULL 3\n"
            "t: 'more' 2 NULL 2 > nothing\n");
  const DifferingRows table = differences_->count().front();
  EXPECT_EQ(table.only_mine, 1u);
  EXPECT_EQ(table.only_theirs, 1u);
  EXPECT_EQ(table.different, 1u);
  EXPECT_EQ(repaired(),
            "t - 'less' 5 NULL 5\n"
            "t ~ 'other' 4>3 . .\n"
            "t + 'more' 2 NULL 2\n");
}

TEST_F(RowDifferencesTest, every_type_of_value_counts) {
  compare(
      "INSERT INTO w VALUES(1, 1, 1), (1, 2, '5'), (1, 3, x'61'), (1, 4, NULL), (1, 5, 9007199254740993), (1, 6, "
      "-0.0), "
      "(1, 7, 'a' || char(0) || 'b'), (1, 8, zeroblob(0)), (1, 9, 9e999), (1, 10, CAST(x'ff' AS TEXT))",
      "INSERT INTO w VALUES(1, 1, 1.0), (1, 2, 5), (1, 3, 'a'), (1, 4, ''), (1, 5, 9007199254740992), (1, 6, 0.0), "
      "(1, 7, 'a'), (1, 8, NULL), (1, 9, -9e999), (1, 10, x'ff')");
  EXPECT_EQ(differences_->count().back().different, 10u);
  repaired();
}

TEST_F(RowDifferencesTest, a_key_of_another_case_is_another_row) {
  compare("INSERT INTO t(k, a) VALUES('Key', 1), ('b', 1)", "INSERT INTO t(k, a) VALUES('KEY', 1), ('b', 1)");
  EXPECT_EQ(shown_rows(), "t: 'Key' 1 NULL NULL > 'KEY' 1 NULL NULL\n");
  EXPECT_EQ(repaired(), "t - 'KEY' 1 NULL NULL\nt + 'Key' 1 NULL NULL\n");
}

TEST_F(RowDifferencesTest, unique_values_that_have_changed_places) {
  compare("INSERT INTO t(k, u) VALUES('a', 1), ('b', 2), ('c', 3)",
          "INSERT INTO t(k, u) VALUES('a', 2), ('b', 3), ('d', 1)");
  repaired();
}

TEST_F(RowDifferencesTest, what_is_too_much_for_memory_spills) {
  const std::string count = "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 3000) ";
  compare(count + "INSERT INTO w SELECT i, hex(i), 'mine' FROM n", count + "INSERT INTO w SELECT i, hex(i), i FROM n",
          100);
  EXPECT_EQ(differences_->count().back().different, 3000u);
  repaired();
}

TEST_F(RowDifferencesTest, one_table_alone) {
  wanted_ = {"w"};
  compare("INSERT INTO t(k) VALUES('mine'); INSERT INTO w VALUES(1, 1, 'mine')",
          "INSERT INTO w VALUES(1, 1, 'theirs')");
  EXPECT_EQ(shown_rows(), "w: 1 1 'mine' > 1 1 'theirs'\n");
}

TEST_F(RowDifferencesTest, rows_with_null_in_the_key_are_counted_and_left_alone) {
  compare("INSERT INTO t(k, a) VALUES(NULL, 1), (NULL, 2)", "");
  EXPECT_EQ(shown_rows(), "");
  EXPECT_EQ(differences_->count().front().keyless, 2u);
}

TEST_F(RowDifferencesTest, columns_that_only_one_file_has_yet) {
  make("mine",
       "INSERT INTO w VALUES(1, 1, 'x'); ALTER TABLE w ADD COLUMN n INTEGER NOT NULL DEFAULT -5; "
       "ALTER TABLE w ADD COLUMN c TEXT COLLATE NOCASE DEFAULT 'it''s'; ALTER TABLE w ADD COLUMN plain; "
       "INSERT INTO w VALUES(2, 2, 'y', 7, 'c', x'00')");
  make("theirs", "INSERT INTO w VALUES(1, 1, 'x')");
  {
    Database model = open_for_fold(folder_ / "mine");
    add_missing_columns(folder_ / "theirs", model);
  }
  open(0);
  EXPECT_EQ(shown_rows(), "w: 2 2 'y' 7 'c' x'00' > nothing\n");
  EXPECT_EQ(theirs_.query_text("SELECT n || c || typeof(plain) FROM w WHERE c = 'IT''S'"), "-5it'snull");
  repaired();
}

TEST_F(RowDifferencesTest, rows_are_kept_as_they_are) {
  compare("INSERT INTO t(k, a, b) VALUES('k', 5, 2.0); INSERT INTO w VALUES(1, '1', x'00'), (2, 2.0, NULL)", "");
  KeptRows kept(create(folder_ / "kept", ""));
  EXPECT_TRUE(kept.empty());
  differences_->for_each([&](const RowDifference& difference) {
    kept.add(difference.table, *difference.mine);
    return true;
  });
  kept.finish();
  Database db(folder_ / "kept", Database::Mode::kReadOnly);
  EXPECT_EQ(rows(db, "t"), "'k' 5 2.0 NULL\n");
  EXPECT_EQ(rows(db, "w"), "1 '1' x'00'\n2 2.0 NULL\n");
}

}  // namespace
}  // namespace colony::unit
