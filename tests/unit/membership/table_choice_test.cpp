#include "replicator/membership/table_choice.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "replicator/log/error.h"
#include "tests/unit/memory_node.h"

namespace colony {
namespace {

class TableChoiceTest : public testing::Test {
 protected:
  // Names, with * for those whose keys SQLite picks.
  std::string chosen(const std::optional<std::vector<std::string>>& only = std::nullopt) {
    choice_ = choose_tables(db_, only);
    std::string out;
    for (const ChosenTable& table : choice_.replicated) {
      out += (out.empty() ? "" : " ") + table.name + (table.self_numbered ? "*" : "");
    }
    return out;
  }
  std::string why(const std::string& name) const {
    for (const auto& [table, reason] : choice_.left_out) {
      if (table == name) return reason;
    }
    return "";
  }
  std::string refusal(const std::vector<std::string>& only) {
    try {
      chosen(only);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }

  Database db_ = unit::open_captured(unit::new_memory_path());
  TableChoice choice_;
};

TEST_F(TableChoiceTest, tables_with_a_declared_key_are_chosen) {
  db_.execute(
      "CREATE TABLE rowid(k INTEGER PRIMARY KEY); CREATE TABLE text(k TEXT PRIMARY KEY);"
      "CREATE TABLE pair(a, b, PRIMARY KEY(b, a)) WITHOUT ROWID; CREATE TABLE down(k INTEGER PRIMARY KEY DESC);"
      "CREATE TABLE auto(k INTEGER PRIMARY KEY AUTOINCREMENT); CREATE TABLE \"a b\"(k INT PRIMARY KEY) STRICT");
  EXPECT_EQ(chosen(), "a b auto* down pair rowid* text");
  EXPECT_EQ(why("sqlite_sequence"), "SQLite's own");
}

TEST_F(TableChoiceTest, tables_without_a_key_are_left_out_by_name) {
  db_.execute("CREATE TABLE t(a); CREATE TABLE u(a UNIQUE NOT NULL); CREATE VIEW v AS SELECT 1");
  EXPECT_EQ(chosen(), "");
  EXPECT_EQ(why("t"), "has no PRIMARY KEY");
  EXPECT_EQ(why("u"), "has no PRIMARY KEY");
  EXPECT_EQ(choice_.left_out.size(), 2u);  // views are no tables
}

TEST_F(TableChoiceTest, virtual_tables_and_what_is_behind_them_are_left_out) {
  db_.execute("CREATE VIRTUAL TABLE s USING fts5(a); CREATE VIRTUAL TABLE r USING rtree(id, x0, x1)");
  EXPECT_EQ(chosen(), "");
  EXPECT_EQ(why("s"), "a virtual table");
  EXPECT_EQ(why("s_data"), "belongs to a virtual table");
  EXPECT_EQ(why("r_node"), "belongs to a virtual table");
}

TEST_F(TableChoiceTest, chosen_ones_alone) {
  db_.execute("CREATE TABLE a(k INTEGER PRIMARY KEY); CREATE TABLE b(k TEXT PRIMARY KEY); CREATE TABLE c(x)");
  EXPECT_EQ(chosen({{"b"}}), "b");
  EXPECT_EQ(why("a"), "not chosen");
  EXPECT_EQ(why("c"), "has no PRIMARY KEY");
  EXPECT_EQ(chosen(std::vector<std::string>{}), "");
}

TEST_F(TableChoiceTest, chosen_one_that_cannot_be_is_refused_with_the_reason) {
  db_.execute("CREATE TABLE t(a); CREATE VIEW v AS SELECT 1");
  EXPECT_EQ(refusal({"t"}), "table t cannot be replicated: has no PRIMARY KEY");
  EXPECT_EQ(refusal({"v"}), "table v cannot be replicated: a view");
  EXPECT_NE(refusal({"nowhere"}).find("there is no table nowhere"), std::string::npos);
  EXPECT_NE(refusal({"sqlite_schema"}), "");
}

TEST_F(TableChoiceTest, table_with_a_null_in_its_key_is_left_out) {
  db_.execute(
      "CREATE TABLE t(a TEXT PRIMARY KEY); INSERT INTO t VALUES(NULL); CREATE TABLE u(a, b, PRIMARY KEY(a, b));"
      "INSERT INTO u VALUES(1, NULL), (NULL, 2), (1, 2)");
  EXPECT_EQ(chosen(), "");
  EXPECT_EQ(why("t"), "1 row has NULL in the primary key");
  EXPECT_EQ(why("u"), "2 rows have NULL in the primary key");
}

TEST_F(TableChoiceTest, nulls_in_a_key_are_nothing_to_mind_in_wal_mode) {
  db_.execute(
      "CREATE TABLE t(a TEXT PRIMARY KEY); INSERT INTO t VALUES(NULL); CREATE TABLE n(k INTEGER PRIMARY KEY);"
      "CREATE TABLE w(a PRIMARY KEY) WITHOUT ROWID; CREATE TABLE b(a TEXT NOT NULL, b, PRIMARY KEY(a, b));"
      "CREATE TABLE s(a TEXT PRIMARY KEY NOT NULL)");
  std::string allowing;
  for (const ChosenTable& table : choose_tables(db_, std::nullopt, CaptureMode::kWal).replicated) {
    allowing += table.name + (table.allows_null ? "+ " : " ");
  }
  EXPECT_EQ(allowing, "b+ n s t+ w ");
}

TEST_F(TableChoiceTest, table_whose_index_only_the_app_can_sort_is_left_out) {
  const auto compare = [](void*, int, const void*, int, const void*) { return 0; };
  sqlite3_create_collation(db_.handle(), "german", SQLITE_UTF8, nullptr, compare);
  db_.execute(
      "CREATE TABLE indexed(k TEXT COLLATE german PRIMARY KEY); CREATE TABLE plain(k INTEGER PRIMARY KEY, a COLLATE "
      "german)");
  EXPECT_EQ(chosen(), "plain*");
  EXPECT_NE(why("indexed").find("collation german"), std::string::npos);
}

class TableChoiceWithoutTheApp : public TableChoiceTest {
 protected:
  // As colony init finds a file whose tables an app has made that has a function and a
  // collation of its own.
  void made_by_the_app(const std::string& sql) {
    const auto one = [](sqlite3_context* context, int, sqlite3_value**) { sqlite3_result_int(context, 1); };
    const auto compare = [](void*, int, const void*, int, const void*) { return 0; };
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
    sqlite3_create_function(app_.handle(), "app_one", -1, flags, nullptr, one, nullptr, nullptr);
    sqlite3_create_collation(app_.handle(), "german", SQLITE_UTF8, nullptr, compare);
    app_.execute(sql);
    db_ = unit::open_captured(app_.path());
  }
  Database app_ = unit::open_captured(unit::new_memory_path());
};

TEST_F(TableChoiceWithoutTheApp, table_whose_columns_or_indexes_need_the_app_is_left_out) {
  made_by_the_app(
      "CREATE TABLE by_index(k INTEGER PRIMARY KEY, a); CREATE INDEX i ON by_index(app_one(a));"
      "CREATE TABLE by_part(k INTEGER PRIMARY KEY, a); CREATE INDEX p ON by_part(a) WHERE app_one(a);"
      "CREATE TABLE by_stored(k INTEGER PRIMARY KEY, a, g AS (app_one(a)) STORED);"
      "CREATE TABLE by_key(k TEXT PRIMARY KEY, a); CREATE INDEX c ON by_key(a COLLATE german)");
  EXPECT_EQ(chosen(), "");
  for (const char* table : {"by_index", "by_part", "by_stored"}) {
    EXPECT_EQ(why(table), "it uses the function app_one(), which only the app has") << table;
  }
  EXPECT_EQ(refusal({"by_index"}),
            "table by_index cannot be replicated: it uses the function app_one(), which only the app has");
}

TEST_F(TableChoiceWithoutTheApp, what_only_the_origin_evaluates_is_no_reason) {
  made_by_the_app(
      "CREATE TABLE checked(k INTEGER PRIMARY KEY, a CHECK(app_one(a)));"
      "CREATE TABLE defaulted(k INTEGER PRIMARY KEY, a DEFAULT (app_one()));"
      "CREATE TABLE audited(k INTEGER PRIMARY KEY, a); CREATE VIRTUAL TABLE f USING fts5(a);"
      "CREATE TRIGGER x AFTER INSERT ON audited BEGIN INSERT INTO checked(a) VALUES(app_one(new.a)); END;"
      "CREATE VIEW v AS SELECT app_one(a) FROM audited");
  EXPECT_EQ(chosen(), "audited* checked* defaulted*");
}

TEST_F(TableChoiceWithoutTheApp, table_whose_trigger_feeds_a_virtual_table_with_the_apps_help_is_left_out) {
  made_by_the_app(
      "CREATE TABLE t(k INTEGER PRIMARY KEY, a); CREATE TABLE u(k INTEGER PRIMARY KEY, a);"
      "CREATE TABLE w(k INTEGER PRIMARY KEY, a); CREATE VIRTUAL TABLE f USING fts5(a);"
      "CREATE TRIGGER ai AFTER INSERT ON t BEGIN INSERT INTO f(rowid, a) VALUES(new.k, app_one(new.a)); END;"
      "CREATE TRIGGER au AFTER UPDATE ON u WHEN new.a = 'x' COLLATE german BEGIN INSERT INTO f(a) VALUES(new.a); END;"
      "CREATE TRIGGER aw AFTER INSERT ON w BEGIN INSERT INTO f(rowid, a) VALUES(new.k, new.a); END;");
  EXPECT_EQ(chosen(), "w*");
  EXPECT_EQ(why("t"),
            "its trigger ai feeds the virtual table f and uses the function app_one(), which only the app has");
  EXPECT_EQ(why("u"), "its trigger au feeds the virtual table f and uses the collation german, which only the app has");
  EXPECT_EQ(unit::error_of(db_, "INSERT INTO w VALUES(1, 'x')"), "");
  EXPECT_EQ(unit::rows(db_, "f"), "'x'\n");  // nothing of the trial is left: it was fed once
}

TEST_F(TableChoiceTest, table_whose_key_this_sqlite_misreads_is_left_out) {
  db_.execute("CREATE TABLE t(g AS (a) VIRTUAL, k INTEGER PRIMARY KEY, a)");
  if (SqliteHost::get()->preupdate_in_storage_order) {
    EXPECT_EQ(chosen(), "");
    EXPECT_NE(why("t").find("declare the key first"), std::string::npos);
  } else {
    EXPECT_EQ(chosen(), "t*");
  }
}

}  // namespace
}  // namespace colony
