#include "sqlite_ext/table_definition.h"

#include <gtest/gtest.h>

#include "replicator/store/sqlite.h"

namespace colony {
namespace {

// What judge_definition() says of t after `change`.
DefinitionVerdict verdict_on(const std::string& create, const std::string& change) {
  Database db(":memory:", Database::Mode::kReadWrite);
  db.execute(create);
  const auto before = read_table_definition(db.handle(), "main", "t");
  db.execute(change);
  const auto after = read_table_definition(db.handle(), "main", "t");
  EXPECT_TRUE(before && after);
  return judge_definition(*before, *after);
}

constexpr const char* kTable = "CREATE TABLE t(k TEXT PRIMARY KEY, a INT DEFAULT 1, b TEXT COLLATE NOCASE)";

TEST(TableDefinition, what_no_row_depends_on_is_no_change) {
  for (const char* change :
       {"CREATE INDEX i ON t(a)", "CREATE VIEW v AS SELECT * FROM t", "CREATE TABLE u(k PRIMARY KEY)",
        "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END", "ANALYZE", "REINDEX", "VACUUM"}) {
    EXPECT_EQ(verdict_on(kTable, change).change, DefinitionChange::kNone) << change;
  }
}

TEST(TableDefinition, columns_added_at_the_end_with_constant_defaults_extend_it) {
  for (const char* column : {"c", "c TEXT", "c TEXT DEFAULT 'it''s'", "c INT NOT NULL DEFAULT -5", "c DEFAULT 1.5e-3",
                             "c DEFAULT x'00ff'", "c DEFAULT NULL", "c DEFAULT TRUE", "c AS (a + 1)",
                             "c TEXT REFERENCES u(k)", "c INT CHECK(c > 0)", "c DEFAULT (7)"}) {
    const DefinitionVerdict verdict = verdict_on(kTable, std::string("ALTER TABLE t ADD COLUMN ") + column);
    EXPECT_EQ(verdict.change, DefinitionChange::kExtended) << column << ": " << verdict.what;
  }
}

TEST(TableDefinition, all_else_would_make_nodes_differ) {
  const std::pair<const char*, const char*> kChanges[] = {
      {"ALTER TABLE t ADD COLUMN c DEFAULT CURRENT_TIMESTAMP",
       "column c was added with a default that is not a constant"},
      {"ALTER TABLE t ADD COLUMN c DEFAULT (random())", "column c was added with a default that is not a constant"},
      {"ALTER TABLE t DROP COLUMN a", "column a is gone"},
      {"ALTER TABLE t RENAME COLUMN a TO z", "column a is gone"},
      {"CREATE UNIQUE INDEX i ON t(a)", "it has a new constraint: unique (\"a\" BINARY)"},
      {"CREATE UNIQUE INDEX i ON t(b) WHERE a > 1",
       "it has a new constraint: unique (\"b\" NOCASE) as (b) WHERE a > 1"},
      {"DROP TABLE t; CREATE TABLE t(k TEXT PRIMARY KEY, a INT DEFAULT 2, b TEXT)", "column a has another definition"},
      {"DROP TABLE t; CREATE TABLE t(k TEXT PRIMARY KEY, b TEXT, a INT DEFAULT 1)", "its columns are in another order"},
      {"DROP TABLE t; CREATE TABLE t(k TEXT PRIMARY KEY, a INT DEFAULT 1, b TEXT) STRICT",
       "it is another kind of table (STRICT, WITHOUT ROWID)"},
  };
  for (const auto& [change, what] : kChanges) {
    const DefinitionVerdict verdict = verdict_on(kTable, change);
    EXPECT_EQ(verdict.change, DefinitionChange::kOther) << change;
    EXPECT_EQ(verdict.what, what) << change;
  }
}

TEST(TableDefinition, a_unique_index_that_is_gone_is_a_change_and_its_name_is_none) {
  const std::string create = std::string(kTable) + "; CREATE UNIQUE INDEX i ON t(a)";
  EXPECT_EQ(verdict_on(create, "DROP INDEX i").what, "a constraint is gone: unique (\"a\" BINARY)");
  EXPECT_EQ(verdict_on(create, "DROP INDEX i; CREATE UNIQUE INDEX j ON t(a)").change, DefinitionChange::kNone);
}

TEST(TableDefinition, names_with_quotes_and_line_ends_are_told_apart) {
  const DefinitionVerdict verdict =
      verdict_on("CREATE TABLE t(\"a \"\"b\n\" INTEGER PRIMARY KEY, x)", "ALTER TABLE t ADD COLUMN \"y\nunique \"");
  EXPECT_EQ(verdict.change, DefinitionChange::kExtended) << verdict.what;
}

TEST(TableDefinition, there_is_none_of_what_is_no_table) {
  Database db(":memory:", Database::Mode::kReadWrite);
  db.execute("CREATE VIEW v AS SELECT 1");
  EXPECT_FALSE(read_table_definition(db.handle(), "main", "v"));
  EXPECT_FALSE(read_table_definition(db.handle(), "main", "t"));
}

}  // namespace
}  // namespace colony
