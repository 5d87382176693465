// The schema that a file in wal mode had at its mark.
#include "replicator/store/noted_schema.h"

#include <gtest/gtest.h>

#include "sqlite_ext/capture.h"
#include "tests/unit/memory_node.h"

namespace colony::unit {
namespace {

TEST(NotedSchema, is_that_of_people_and_not_of_colony) {
  MemoryNode node(
      "CREATE TABLE t(k INTEGER PRIMARY KEY, a UNIQUE); CREATE INDEX i ON t(a); CREATE VIEW v AS SELECT 1;"
      "CREATE VIRTUAL TABLE f USING fts5(a)");
  EXPECT_FALSE(noted_schema(node.db()).has_value());
  note_schema(node.db());
  const SchemaObjects noted = noted_schema(node.db()).value();
  EXPECT_EQ(noted, schema_objects(node.db()));
  std::string names;
  for (const auto& [name, object] : noted) names += name + " " + object.type + " " + object.table + "\n";
  EXPECT_EQ(names, "f table f\ni index t\nt table t\nv view v\n");
}

TEST(NotedSchema, stays_what_it_was_until_it_is_noted_again) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY)");
  note_schema(node.db());
  node.run("ALTER TABLE t ADD COLUMN a; CREATE VIEW v AS SELECT a FROM t");
  EXPECT_FALSE(noted_schema(node.db()) == schema_objects(node.db()));
  note_schema(node.db());
  EXPECT_EQ(noted_schema(node.db()), schema_objects(node.db()));
  node.run("DROP VIEW v");
  note_schema(node.db());
  EXPECT_EQ(noted_schema(node.db()), schema_objects(node.db()));
}

TEST(NotedSchema, is_written_only_when_it_has_changed) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY)");
  note_schema(node.db());
  const std::int64_t before = node.db().query_integer("SELECT total_changes()");
  note_schema(node.db());
  EXPECT_EQ(node.db().query_integer("SELECT total_changes()"), before);
}

TEST(NotedSchema, goes_with_colony) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY)");
  note_schema(node.db());
  Database db(node.path(), Database::Mode::kReadWrite);
  install_capture(db.handle(), linked_host(), std::nullopt, CaptureFor::kColony);
  drop_layout(db);
  EXPECT_EQ(node.db().query_integer("SELECT count(*) FROM sqlite_schema WHERE name LIKE '%colony%'"), 0);
}

}  // namespace
}  // namespace colony::unit
