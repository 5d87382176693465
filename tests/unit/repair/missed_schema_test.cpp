// Which changes of the schema are the other nodes' business, where nobody has seen them made.
#include "replicator/repair/missed_schema.h"

#include <gtest/gtest.h>

#include "replicator/store/noted_schema.h"
#include "tests/unit/memory_node.h"

namespace colony::unit {
namespace {

class MissedSchemaTest : public testing::Test {
 protected:
  // The changes, one a line: kind, type, name.
  std::string missed(const std::string& sql, const std::string& choice = "") {
    MemoryNode node(
        "CREATE TABLE t(k INTEGER PRIMARY KEY, a); CREATE TABLE u(k INTEGER PRIMARY KEY, a); CREATE TABLE "
        "own(a); CREATE INDEX oi ON own(a); CREATE VIEW v AS SELECT a FROM t; CREATE TABLE log(a)");
    Database db(node.path(), Database::Mode::kReadWrite);
    db.execute(
        "DELETE FROM __colony_tables WHERE name = 'u'; INSERT INTO __colony_meta VALUES('left_out_known', 1);"
        "INSERT INTO __colony_left_out VALUES('own'), ('u');" +
        choice);
    for (const char* table : {"t", "u"}) drop_guards(db, table);
    note_schema(db);
    db.execute(sql);
    std::string text;
    for (const SchemaChange& change : MissedSchema(db).changes()) {
      text += std::to_string(static_cast<int>(change.kind)) + " " + change.type + " " + change.name + "\n";
    }
    return text;
  }
};

TEST_F(MissedSchemaTest, of_replicated_tables_and_what_hangs_on_them) {
  EXPECT_EQ(
      missed("ALTER TABLE t ADD COLUMN b; CREATE INDEX i ON t(b); CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT "
             "1; END"),
      "3 table t\n1 index i\n1 trigger r\n");
  EXPECT_EQ(missed("ALTER TABLE t RENAME TO s"), "4 table t\n");
  EXPECT_EQ(missed("DROP VIEW v; DROP TABLE t"), "2 view v\n2 table t\n");
}

TEST_F(MissedSchemaTest, not_of_tables_that_stay_out) {
  EXPECT_EQ(missed("ALTER TABLE own ADD COLUMN b; CREATE INDEX i ON own(b); DROP INDEX oi; DROP TABLE u"), "");
  EXPECT_EQ(missed("DROP TABLE own"), "");
}

TEST_F(MissedSchemaTest, of_new_tables_views_and_tables_without_a_key) {
  EXPECT_EQ(missed("CREATE TABLE n(k INTEGER PRIMARY KEY); CREATE TABLE m(a); CREATE VIEW w AS SELECT 1"),
            "1 table m\n1 table n\n1 view w\n");
  EXPECT_EQ(missed("DROP TABLE log"), "2 table log\n");
}

TEST_F(MissedSchemaTest, of_new_tables_that_fit_where_they_were_chosen) {
  const std::string chosen = "INSERT INTO __colony_meta VALUES('tables', 'chosen'), ('table_patterns', 'x*\ny*\n')";
  EXPECT_EQ(missed("CREATE TABLE n(k INTEGER PRIMARY KEY); CREATE TABLE y1(k INTEGER PRIMARY KEY)", chosen),
            "1 table y1\n");
}

TEST_F(MissedSchemaTest, nothing_where_nothing_was_noted) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY, a)");
  EXPECT_TRUE(MissedSchema(node.db()).changes().empty());
}

}  // namespace
}  // namespace colony::unit
