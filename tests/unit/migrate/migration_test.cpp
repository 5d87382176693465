// A migration on a copy of the file, and what all nodes make of it.
#include "replicator/migrate/migration.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "replicator/log/error.h"
#include "replicator/membership/enrollment.h"
#include "replicator/store/file_layout.h"
#include "tests/unit/memory_sidecar.h"
#include "tests/unit/temporary_folder.h"

namespace colony {
namespace {

using unit::MemoryNode;
using unit::MemorySidecar;

constexpr const char* kSchema =
    "CREATE TABLE t(k INTEGER PRIMARY KEY, a TEXT); CREATE TABLE u(id TEXT PRIMARY KEY, n INT);"
    "INSERT INTO t VALUES(1, 'one'), (2, 'two'); INSERT INTO u VALUES('x', 1)";

constexpr const char* kMigration =
    "-- to the new names\n"
    "BEGIN; ALTER TABLE t RENAME COLUMN a TO name; ALTER TABLE t ADD COLUMN price REAL DEFAULT 1.5;"
    "CREATE TABLE v(id INTEGER PRIMARY KEY, x); INSERT INTO v VALUES(1, 'new'); UPDATE t SET price = 2 WHERE k = 2;"
    "CREATE TABLE u2(id TEXT PRIMARY KEY, n INT NOT NULL DEFAULT 0, m); INSERT INTO u2 SELECT id, n, 'm' FROM u;"
    "DROP TABLE u; ALTER TABLE u2 RENAME TO u; CREATE INDEX ti ON t(name); COMMIT;";

const GoOn kGoOn = [](std::uint64_t, std::uint64_t) { return true; };

void make(const std::string& path, const std::string& sql) {
  std::ofstream(path, std::ios::binary);
  Database(path, Database::Mode::kReadWrite).execute(sql);
}

class MigrationTest : public testing::Test {
 protected:
  MigrationTest() {
    for (const char* node : {"a", "b"}) {
      const std::string path = folder_ / (std::string(node) + ".db");
      make(path, kSchema);
      enroll({path, "shop", node, std::nullopt});
      apps_.push_back(std::make_unique<MemoryNode>(unit::ExistingFile{path}));
      nodes_.push_back(std::make_unique<MemorySidecar>(stream_, *apps_.back(), node));
    }
    settle();
  }

  void settle() { unit::settle({nodes_[0].get(), nodes_[1].get()}); }
  std::string path() { return folder_ / "a.db"; }
  std::string state(std::size_t node) {
    return unit::rows(apps_[node]->db(),
                      "(SELECT type, name, sql FROM sqlite_schema WHERE sql NOTNULL AND name NOT LIKE '%colony%' AND "
                      "tbl_name NOT LIKE '%colony%' ORDER BY name)") +
           apps_[node]->rows("t") + apps_[node]->rows("u");
  }
  std::size_t files() {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder_ / ""), {}));
  }

  unit::TemporaryFolder folder_;
  unit::MemoryStream stream_;
  std::vector<std::unique_ptr<MemoryNode>> apps_;
  std::vector<std::unique_ptr<MemorySidecar>> nodes_;
};

TEST_F(MigrationTest, sql_is_made_everywhere_as_one_transaction) {
  MigrationRehearsal rehearsal(path(), kGoOn);
  rehearsal.run_sql(kMigration);
  Migration migration = rehearsal.compare();
  EXPECT_EQ(state(0).find("price"), std::string::npos);  // so far it is a copy's
  apps_[0]->run("UPDATE t SET a = 'uno' WHERE k = 1");
  apps_[1]->run("INSERT INTO t VALUES(3, 'three'); UPDATE u SET n = 7");
  put_into(path(), migration);
  settle();
  EXPECT_EQ(apps_[1]->rows("t"), "1 'uno' 1.5\n2 'two' 2.0\n3 'three' 1.5\n");
  EXPECT_EQ(apps_[1]->rows("u"), "'x' 7 'm'\n");
  EXPECT_EQ(apps_[0]->rows("v"), "1 'new'\n");
  EXPECT_EQ(apps_[1]->rows("v"), "1 'new'\n");
  EXPECT_EQ(state(0), state(1));
  apps_[1]->run("INSERT INTO v VALUES(2, 'b')");
  settle();
  EXPECT_EQ(apps_[0]->rows("v"), "1 'new'\n2 'b'\n");
}

TEST_F(MigrationTest, what_a_command_has_done_is_found_out) {
  MigrationRehearsal rehearsal(path(), kGoOn);
  rehearsal.run_command({"sh", "-c",
                         "test \"$COLONY_DATABASE\" = \"$0\" && sqlite3 \"$0\" 'ALTER TABLE t RENAME TO things; "
                         "ALTER TABLE u RENAME COLUMN n TO number; ALTER TABLE u ADD COLUMN m DEFAULT 3; "
                         "CREATE VIEW w AS SELECT * FROM u; DELETE FROM things WHERE k = 1'",
                         "{}"});
  Migration migration = rehearsal.compare();
  ASSERT_EQ(migration.changes.size(), 4u);
  EXPECT_EQ(migration.changes[0].kind, SchemaChange::Kind::kRenameTable);
  EXPECT_EQ(migration.changes[1].kind, SchemaChange::Kind::kRenameColumn);
  put_into(path(), migration);
  settle();
  EXPECT_EQ(apps_[1]->rows("things"), "2 'two'\n");
  EXPECT_EQ(apps_[1]->rows("u"), "'x' 1 3\n");
  EXPECT_EQ(apps_[1]->rows("w"), "'x' 1 3\n");
}

TEST_F(MigrationTest, changes_nothing_where_it_fails) {
  const std::string before = state(0);
  MigrationRehearsal rehearsal(path(), kGoOn);
  try {
    rehearsal.run_sql("CREATE TABLE n(k INTEGER PRIMARY KEY);\n-- oops\nINSERT INTO missing VALUES(1);");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("no such table: missing, in: INSERT INTO missing VALUES(1)"),
              std::string::npos)
        << error.what();
  }
  EXPECT_THROW(rehearsal.run_sql("BEGIN; DELETE FROM t"), Error);
  EXPECT_THROW(rehearsal.run_command({"false"}), Error);
  EXPECT_THROW(rehearsal.run_command({"no-such-program"}), Error);
  settle();
  EXPECT_EQ(state(0), before);
}

TEST_F(MigrationTest, of_a_file_that_was_migrated_meanwhile_is_refused) {
  MigrationRehearsal rehearsal(path(), kGoOn);
  rehearsal.run_sql("ALTER TABLE t ADD COLUMN b");
  Migration migration = rehearsal.compare();
  apps_[0]->run("CREATE INDEX i ON t(a)");
  EXPECT_THROW(put_into(path(), migration), Error);
}

TEST_F(MigrationTest, leaves_no_copies_behind) {
  const std::size_t before = files();
  { MigrationRehearsal(path(), kGoOn).run_sql("ALTER TABLE t ADD COLUMN b"); }
  EXPECT_THROW(MigrationRehearsal(folder_ / "none.db", kGoOn), Error);
  make(folder_ / "plain.db", "CREATE TABLE p(k)");
  EXPECT_THROW(MigrationRehearsal(folder_ / "plain.db", kGoOn), Error);
  EXPECT_EQ(files(), before + 1);
}

TEST_F(MigrationTest, of_nothing_is_empty) {
  MigrationRehearsal rehearsal(path(), kGoOn);
  rehearsal.run_sql("UPDATE t SET a = a; CREATE TABLE n(k INTEGER PRIMARY KEY); DROP TABLE n; SELECT 1;");
  EXPECT_TRUE(rehearsal.compare().empty());
}

}  // namespace
}  // namespace colony
