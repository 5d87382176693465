// colony.so itself, loaded the way an app loads it.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/unit/memory_node.h"

namespace colony {
namespace {

using unit::MemoryNode;

std::string extension_path() {
  return (std::filesystem::canonical("/proc/self/exe").parent_path() / "colony").string();
}

// Empty if it was loaded.
std::string load(Database& db) {
  sqlite3_db_config(db.handle(), SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, nullptr);
  char* message = nullptr;
  const int rc = sqlite3_load_extension(db.handle(), extension_path().c_str(), nullptr, &message);
  const std::string error = message != nullptr ? message : rc != SQLITE_OK ? sqlite3_errstr(rc) : "";
  sqlite3_free(message);
  return error;
}

constexpr const char* kSchema = "CREATE TABLE t(k INTEGER PRIMARY KEY, a)";

TEST(Extension, captures_what_the_linked_library_captures) {
  MemoryNode node(kSchema);
  node.run("INSERT INTO t VALUES(1, 'a')");
  Database app(node.path(), Database::Mode::kReadWrite);
  ASSERT_EQ(load(app), "");
  app.execute("INSERT INTO t VALUES(2, 'b'); UPDATE t SET a = 'c'");
  ASSERT_EQ(node.outbox().size(), 3u);
  EXPECT_EQ(unit::shown_changes(node.outbox()[1]), "t + 2 'b'\n");
  EXPECT_EQ(unit::shown_changes(node.outbox()[2]), "t ~ 1 'a'>'c'\nt ~ 2 'b'>'c'\n");
  EXPECT_EQ(app.query_text("SELECT colony_node()"), "a");
  EXPECT_EQ(app.query_integer("SELECT colony_pending()"), 3);
  EXPECT_EQ(app.query_integer("SELECT changes()"), 2);
}

TEST(Extension, second_load_changes_nothing) {
  MemoryNode node(kSchema);
  Database app(node.path(), Database::Mode::kReadWrite);
  ASSERT_EQ(load(app), "");
  app.execute("BEGIN; INSERT INTO t VALUES(1, 'a')");
  ASSERT_EQ(load(app), "");
  app.execute("INSERT INTO t VALUES(2, 'b'); COMMIT");
  ASSERT_EQ(node.outbox().size(), 1u);
  EXPECT_EQ(unit::shown_changes(node.outbox()[0]), "t + 1 'a'\nt + 2 'b'\n");
}

TEST(Extension, connection_closes_with_nothing_left) {
  MemoryNode node(kSchema);
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open_v2(node.path().c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, nullptr), SQLITE_OK);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, nullptr);
  ASSERT_EQ(sqlite3_load_extension(db, extension_path().c_str(), nullptr, nullptr), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "INSERT INTO t VALUES(1, 'a')", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_EQ(sqlite3_close(db), SQLITE_OK);
}

TEST(Extension, loads_into_a_file_that_is_no_colonys) {
  Database db(unit::new_memory_path(), Database::Mode::kReadWrite);
  ASSERT_EQ(load(db), "");
  db.execute("CREATE TABLE t(a); INSERT INTO t VALUES(1)");
  EXPECT_EQ(unit::rows(db, "t"), "1\n");
}

}  // namespace
}  // namespace colony
