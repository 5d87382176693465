// Without colony.so a table with a guard index is for reading, whatever the connection
// has switched off.
#include "sqlite_ext/guard_index.h"

#include <gtest/gtest.h>

#include "replicator/store/file_layout.h"
#include "tests/unit/memory_node.h"

namespace colony {
namespace {

using unit::MemoryNode;

constexpr const char* kRefusal = "unknown function: this_connection_must_load_colony_so()";

// A connection that has nothing of Colony's, and whose triggers do not fire.
class Stranger {
 public:
  explicit Stranger(const std::string& path) {
    sqlite3_open_v2(path.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, nullptr);
    sqlite3_db_config(db_, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  }
  ~Stranger() { sqlite3_close(db_); }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;

  sqlite3* handle() { return db_; }
  std::string error_of(const std::string& sql) {
    return sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK ? "" : sqlite3_errmsg(db_);
  }

 private:
  sqlite3* db_ = nullptr;
};

TEST(GuardIndex, refuses_every_write_of_a_connection_without_capture_and_no_read) {
  for (const char* schema :
       {"CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)", "CREATE TABLE t(k TEXT PRIMARY KEY, a, b) WITHOUT ROWID",
        "CREATE TABLE t(k PRIMARY KEY, g AS (a) VIRTUAL, a, b, s AS (b) STORED)"}) {
    MemoryNode node(schema);
    node.run("INSERT INTO t(k, a, b) VALUES(1, 'a', 'b')");
    Stranger stranger(node.path());
    for (const char* sql :
         {"INSERT INTO t(k) VALUES(2)", "REPLACE INTO t(k) VALUES(1)", "UPDATE t SET k = 5", "UPDATE t SET a = 5",
          "UPDATE t SET b = 5 WHERE k = 1", "DELETE FROM t WHERE k = 1", "INSERT OR IGNORE INTO t(k) VALUES(3)",
          "INSERT INTO t(k) VALUES(1) ON CONFLICT DO UPDATE SET b = 7"}) {
      EXPECT_EQ(stranger.error_of(sql), kRefusal) << schema << ": " << sql;
    }
    EXPECT_EQ(stranger.error_of("SELECT * FROM t; PRAGMA quick_check; ANALYZE; CREATE INDEX more ON t(b)"), "");
    EXPECT_EQ(stranger.error_of("ALTER TABLE t ADD COLUMN c"), "");
  }
}

TEST(GuardIndex, error_names_the_function_also_where_triggers_fire) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY, a)");
  node.run("INSERT INTO t VALUES(1, 1)");
  Stranger stranger(node.path());
  sqlite3_db_config(stranger.handle(), SQLITE_DBCONFIG_ENABLE_TRIGGER, 1, nullptr);
  for (const char* sql : {"INSERT INTO t VALUES(2, 2)", "UPDATE t SET a = 2", "DELETE FROM t"}) {
    EXPECT_EQ(stranger.error_of(sql), kRefusal) << sql;
  }
}

TEST(GuardIndex, refuses_incremental_writing) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)");
  node.run("INSERT INTO t VALUES(1, x'00', x'00')");
  Stranger stranger(node.path());
  for (const char* column : {"a", "b"}) {
    sqlite3_blob* blob = nullptr;
    EXPECT_NE(sqlite3_blob_open(stranger.handle(), "main", "t", column, 1, 1, &blob), SQLITE_OK);
    EXPECT_STREQ(sqlite3_errmsg(stranger.handle()), "cannot open indexed column for writing");
    EXPECT_EQ(sqlite3_blob_open(stranger.handle(), "main", "t", column, 1, 0, &blob), SQLITE_OK);
    sqlite3_blob_close(blob);
  }
}

TEST(GuardIndex, column_that_was_added_without_capture_enters_it_when_refreshed) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY, a)");
  node.run("INSERT INTO t VALUES(1, 'a')");
  Stranger stranger(node.path());
  ASSERT_EQ(stranger.error_of("ALTER TABLE t ADD COLUMN c"), "");
  node.run("SELECT colony_allow_schema_changes()");
  EXPECT_TRUE(has_guards(node.db(), "t"));
  EXPECT_FALSE(has_guard_index(node.db().handle(), "main", "t"));
  EXPECT_TRUE(refresh_guards(node.db(), "t"));
  EXPECT_FALSE(refresh_guards(node.db(), "t"));
  EXPECT_TRUE(has_guard_index(node.db().handle(), "main", "t"));
  EXPECT_EQ(stranger.error_of("UPDATE t SET c = 1"), kRefusal);
}

TEST(GuardIndex, any_names_and_any_number_of_columns) {
  std::string columns;
  for (int i = 0; i < 1500; ++i) columns += ", c" + std::to_string(i);
  MemoryNode node("CREATE TABLE \"a 'b\"\"c\"(\"k \"\"1\" PRIMARY KEY, \"select\"); CREATE TABLE wide(k PRIMARY KEY" +
                  columns + "); CREATE TABLE alone(k PRIMARY KEY)");
  Stranger stranger(node.path());
  EXPECT_EQ(stranger.error_of("UPDATE \"a 'b\"\"c\" SET \"select\" = 1"), kRefusal);
  EXPECT_EQ(stranger.error_of("UPDATE wide SET c1499 = 1"), kRefusal);
  EXPECT_EQ(stranger.error_of("INSERT INTO alone VALUES(1)"), kRefusal);
  EXPECT_EQ(node.captured("INSERT INTO \"a 'b\"\"c\" VALUES(1, 2); INSERT INTO alone VALUES(1)"),
            "a 'b\"c + 1 2\n--\nalone + 1\n");
}

TEST(GuardIndex, is_there_only_if_the_file_has_chosen_it) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY, a)", "a", GuardKind::kTriggers);
  node.run("SELECT colony_allow_schema_changes()");
  EXPECT_TRUE(has_guards(node.db(), "t"));
  EXPECT_FALSE(has_guard_index(node.db().handle(), "main", "t"));
  choose_guard_kind(node.db(), GuardKind::kIndex);
  EXPECT_FALSE(has_guards(node.db(), "t"));
  EXPECT_TRUE(refresh_guards(node.db(), "t"));
  EXPECT_TRUE(has_guards(node.db(), "t"));
  choose_guard_kind(node.db(), GuardKind::kTriggers);
  EXPECT_TRUE(refresh_guards(node.db(), "t"));
  EXPECT_FALSE(has_guard_index(node.db().handle(), "main", "t"));
}

TEST(GuardIndex, nothing_of_it_is_left_with_the_layout) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY, a)");
  node.run("SELECT colony_allow_schema_changes()");
  drop_layout(node.db());
  EXPECT_EQ(unit::rows(node.db(), "sqlite_schema WHERE name GLOB '__colony*' OR sql GLOB '*colony*'"), "");
  Stranger stranger(node.path());
  EXPECT_EQ(stranger.error_of("INSERT INTO t VALUES(1, 1); VACUUM; PRAGMA integrity_check"), "");
}

}  // namespace
}  // namespace colony
