#include "replicator/store/schema_agreement.h"

#include <gtest/gtest.h>

#include "replicator/store/file_layout.h"
#include "tests/unit/memory_node.h"

namespace colony {
namespace {

constexpr const char* kSchema =
    "CREATE TABLE t(k TEXT PRIMARY KEY, a INT, b TEXT); CREATE TABLE u(k INTEGER PRIMARY KEY, a)";

// A node whose tables are agreed on, and a connection without the extension.
class SchemaAgreement : public testing::Test {
 protected:
  SchemaAgreement() : node_(kSchema), plain_(node_.path(), Database::Mode::kReadWrite) {
    for (const std::string& table : replicated_tables(plain_)) agree_on_definition(plain_, table);
  }

  // Each finding on a line.
  std::string found_after(const std::string& sql) {
    plain_.execute(sql);
    const SchemaFindings findings = find_schema_changes(plain_);
    std::string text;
    for (const ChangedTable& change : findings.broken) text += change.table + " " + change.what + "\n";
    for (const std::string& table : findings.extended) text += table + " is extended\n";
    return text;
  }

  unit::MemoryNode node_;
  Database plain_;
};

TEST_F(SchemaAgreement, nothing_is_found_where_nothing_that_counts_has_changed) {
  EXPECT_EQ(found_after("CREATE INDEX i ON t(a); CREATE VIEW v AS SELECT * FROM t; CREATE TABLE w(k PRIMARY KEY); "
                        "CREATE TRIGGER r AFTER INSERT ON u BEGIN SELECT 1; END; ANALYZE"),
            "");
}

TEST_F(SchemaAgreement, columns_that_were_added_are_found_and_agreed_on) {
  EXPECT_EQ(found_after("ALTER TABLE t ADD COLUMN c DEFAULT 'x'; ALTER TABLE u ADD COLUMN c"),
            "t is extended\nu is extended\n");
  agree_on_extensions(plain_, {"t", "u"});
  EXPECT_EQ(found_after(""), "");
  EXPECT_EQ(guarded_tables(plain_), (std::set<std::string>{"t", "u"}));
}

TEST_F(SchemaAgreement, a_table_that_was_made_anew_is_found_even_if_it_is_the_same) {
  // With the tables' triggers SQLite renames nothing that it cannot compile.
  plain_ = unit::open_captured(node_.path());
  plain_.execute("SELECT colony_allow_schema_changes()");
  EXPECT_EQ(found_after("CREATE TABLE t2(k TEXT PRIMARY KEY, a INT, b TEXT); INSERT INTO t2 SELECT * FROM t; "
                        "DROP TABLE t; ALTER TABLE t2 RENAME TO t"),
            "t was made anew, and what was written to it since is not captured\n");
}

TEST_F(SchemaAgreement, each_kind_of_change_is_found_with_its_table) {
  EXPECT_EQ(found_after("CREATE UNIQUE INDEX i ON t(b COLLATE NOCASE); DROP TABLE u"),
            "t has changed: UNIQUE(b COLLATE NOCASE) is new\n"
            "u is gone: it was dropped\n");
  EXPECT_EQ(found_after("DROP INDEX i; CREATE TABLE u(k INTEGER PRIMARY KEY)"),
            "u was made anew (column a is gone), and what was written to it since is not captured\n");
}

TEST_F(SchemaAgreement, all_that_differs_is_told) {
  EXPECT_EQ(
      found_after("CREATE UNIQUE INDEX i ON t(a, b) WHERE a > 1; ALTER TABLE t ADD COLUMN c DEFAULT (random());"
                  "ALTER TABLE t ADD COLUMN d; DROP TRIGGER __colony_update_u; ALTER TABLE u ADD COLUMN b"),
      "t has changed: column c was added with a default that is not a constant, column d is new, "
      "UNIQUE(a, b) WHERE a > 1 is new\n"
      "u has lost some of what Colony had put on it (named __colony_*) (column b is new), and what was written to "
      "it since is not captured\n");
}

TEST_F(SchemaAgreement, a_renamed_table_is_followed_to_its_new_name) {
  Database program = unit::open_captured(node_.path());
  program.execute("SELECT colony_allow_schema_changes(); ALTER TABLE t RENAME TO v");
  EXPECT_EQ(found_after(""), "t is gone: it was renamed to v\n");
  EXPECT_EQ(find_schema_changes(plain_).broken.front().renamed_to, "v");
  EXPECT_EQ(gone_tables(plain_), (std::map<std::string, std::string>{{"t", "v"}}));
}

TEST_F(SchemaAgreement, a_guard_index_that_lacks_a_column_is_made_anew) {
  unit::MemoryNode node(kSchema, "a", GuardKind::kIndex);
  node.db().execute("SELECT colony_allow_schema_changes(); ALTER TABLE t ADD COLUMN c");
  agree_on_definitions(node.db());
  EXPECT_EQ(find_schema_changes(node.db()).extended, std::vector<std::string>{"t"});
  WriteTransaction transaction(node.db());
  agree_on_extensions(node.db(), {"t"});
  transaction.commit();
  EXPECT_TRUE(find_schema_changes(node.db()).empty());
  const std::string sql = node.db().query_text("SELECT sql FROM sqlite_schema WHERE name = '__colony_guard_t'");
  EXPECT_NE(sql.find("\"c\""), std::string::npos) << sql;
}

TEST_F(SchemaAgreement, a_definition_that_is_not_known_is_not_missed) {
  plain_.execute("UPDATE __colony_tables SET definition = ''");
  EXPECT_EQ(found_after("CREATE UNIQUE INDEX i ON t(b)"), "");
}

TEST_F(SchemaAgreement, advice_names_the_first_tables_and_how_many_more) {
  const std::vector<ChangedTable> broken = {{"t", "is gone"}, {"u", "was made anew"}, {"v", "is gone"}};
  EXPECT_NE(advice_on({broken[0]}).find("table t is gone. The nodes would come to differ"), std::string::npos);
  EXPECT_NE(advice_on({broken[0], broken[1]}).find("(and table u was made anew)"), std::string::npos);
  EXPECT_NE(advice_on(broken).find("(and 2 more tables have changed)"), std::string::npos);
}

}  // namespace
}  // namespace colony
