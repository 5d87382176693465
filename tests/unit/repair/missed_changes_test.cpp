// What programs commit to a file that nobody watches comes to the other nodes all the same:
// rows and schema, once, whatever else has happened to the same rows.
#include "replicator/repair/missed_changes.h"

#include <gtest/gtest.h>

#include "replicator/store/file_layout.h"
#include "tests/unit/random_sql.h"
#include "tests/unit/repair/missed_colony.h"

namespace colony::unit {
namespace {

constexpr const char* kSchema =
    "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b); CREATE TABLE w(x TEXT COLLATE NOCASE, y, z, PRIMARY KEY(x, y)) "
    "WITHOUT ROWID; INSERT INTO t VALUES(1, 'one', 1), (2, 'two', 2), (3, 'three', 3); INSERT INTO w VALUES('A', 1, 1)";

// All that was captured comes to b, and nothing is found another time.
void expect_equal_nodes(MissedColony& colony) {
  EXPECT_EQ(colony.capture_missed(), "");
  colony.a_goes_on();
  colony.settle();
  EXPECT_EQ(colony.state("a"), colony.state("b"));
}

TEST(MissedChanges, rows_become_one_transaction) {
  MissedColony colony(kSchema);
  colony.snapshot("b");
  colony.a_is_left_alone();
  colony.meddle("INSERT INTO t VALUES(4, 'four', 4)");
  colony.meddle("UPDATE t SET b = 20 WHERE k = 2; DELETE FROM t WHERE k = 3; UPDATE w SET x = 'a'");
  EXPECT_EQ(colony.capture_missed(),
            "t - 3 'three' 3\n"
            "t ~ 2 . 2>20\n"
            "t + 4 'four' 4\n"
            "w - 'A' 1 1\n"
            "w + 'a' 1 1\n");
  expect_equal_nodes(colony);
  EXPECT_EQ(colony.app("b").rows("t"), "1 'one' 1\n2 'two' 20\n4 'four' 4\n");
  EXPECT_EQ(colony.app("b").rows("w"), "'a' 1 1\n");
}

TEST(MissedChanges, nothing_is_queued_where_nothing_differs) {
  MissedColony colony(kSchema);
  colony.snapshot("b");
  colony.a_is_left_alone();
  colony.meddle("UPDATE t SET a = a; CREATE TABLE n(k INTEGER PRIMARY KEY); DROP TABLE n; VACUUM");
  EXPECT_EQ(colony.capture_missed(), "");
  EXPECT_TRUE(colony.app("a").outbox().empty());
  expect_equal_nodes(colony);
}

TEST(MissedChanges, are_on_top_of_the_log_and_of_what_is_pending) {
  MissedColony colony(kSchema);
  colony.snapshot("b");
  colony.app("b").run("UPDATE t SET a = 'of b' WHERE k = 1");
  colony.settle();
  colony.app("a").run("UPDATE t SET b = 100 WHERE k = 1; DELETE FROM t WHERE k = 2");  // nobody sends it yet
  colony.a_is_left_alone();
  colony.meddle("UPDATE t SET b = 101 WHERE k = 1; INSERT INTO t VALUES(2, 'again', 2)");
  EXPECT_EQ(colony.capture_missed(),
            "t ~ 1 . 100>101\n"
            "t + 2 'again' 2\n");
  colony.app("b").run("UPDATE t SET a = 'later', b = 7 WHERE k = 1; UPDATE t SET a = 'lost' WHERE k = 2");
  colony.node("b").settle();
  expect_equal_nodes(colony);
  EXPECT_EQ(colony.app("b").rows("t"), "1 'later' 101\n2 'again' 2\n3 'three' 3\n");
}

TEST(MissedChanges, what_is_committed_meanwhile_is_captured_as_well) {
  MissedColony colony(kSchema);
  colony.snapshot("b");
  colony.a_is_left_alone();
  colony.meddle("UPDATE t SET b = 20 WHERE k = 2");
  EXPECT_EQ(colony.capture_missed("UPDATE t SET b = b + 1"),
            "t ~ 2 . 2>20\n"
            "--\n"
            "t ~ 1 . 1>2\n"
            "t ~ 2 . 20>21\n"
            "t ~ 3 . 3>4\n");
  expect_equal_nodes(colony);
}

TEST(MissedChanges, of_a_schema_that_changes_meanwhile_come_before_that) {
  MissedColony colony(kSchema);
  colony.snapshot("b");
  colony.a_is_left_alone();
  colony.meddle("UPDATE t SET b = 20 WHERE k = 2");
  colony.capture_missed("ALTER TABLE t ADD COLUMN c");
  expect_equal_nodes(colony);
}

TEST(MissedChanges, do_not_happen_if_anything_fails_before_the_commit) {
  MissedColony colony(kSchema);
  colony.snapshot("b");
  colony.a_is_left_alone();
  colony.meddle("UPDATE t SET b = 20 WHERE k = 2; ALTER TABLE w RENAME TO v");
  const std::string before =
      rows(colony.app("a").db(), "__colony_meta") + rows(colony.app("a").db(), "__colony_tables");
  MissedChanges missed(colony.path("a"), colony.base(), &colony.node("a").log(), [](auto, auto) { return true; });
  missed.prepare();
  CaptureSince capture(colony.path("a"));
  missed.find(capture.pin(), [] {});
  EXPECT_THROW(missed.put([](Database&) { throw Error("killed"); }, [] { return true; }), Error);
  EXPECT_EQ(rows(colony.app("a").db(), "__colony_meta") + rows(colony.app("a").db(), "__colony_tables"), before);
  EXPECT_TRUE(colony.app("a").outbox().empty());
  missed.put([&](Database& db) { capture.capture_since(db); }, [] { return true; });
  EXPECT_EQ(colony.app("a").outbox().size(), 1u);
}

TEST(MissedChanges, are_refused_beside_another_command) {
  MissedColony colony(kSchema);
  colony.snapshot("b");
  colony.a_is_left_alone();
  MissedChanges missed(colony.path("a"), colony.base(), &colony.node("a").log(), [](auto, auto) { return true; });
  missed.prepare();
  CaptureSince capture(colony.path("a"));
  missed.find(capture.pin(), [] {});
  colony.app("a").run("INSERT INTO __colony_outbox(piece, last, shape, changeset) VALUES(1, 1, 0, x'')");
  EXPECT_THROW(missed.put([](Database&) {}, [] { return true; }), FileChanged);
}

TEST(MissedChanges, rows_without_a_key_are_told_and_stay) {
  MissedColony colony("CREATE TABLE t(k TEXT PRIMARY KEY, a)");
  colony.snapshot("b");
  colony.a_is_left_alone();
  colony.meddle("INSERT INTO t VALUES('k', 1), (NULL, 2)");
  MissedChanges missed(colony.path("a"), colony.base(), &colony.node("a").log(), [](auto, auto) { return true; });
  missed.prepare();
  CaptureSince capture(colony.path("a"));
  const MissedChanges::Found& found = missed.find(capture.pin(), [] {});
  EXPECT_EQ(found.rows(), 1u);
  ASSERT_EQ(found.keyless.size(), 1u);
  EXPECT_EQ(found.keyless.front().keyless, 1u);
}

struct SchemaCase {
  const char* name;
  const char* sql;
};

class MissedSchemaChanges : public testing::TestWithParam<SchemaCase> {};

// With rows that are pending, and what b does meanwhile: so the changes are undone and redone.
TEST_P(MissedSchemaChanges, come_to_the_other_node) {
  MissedColony colony(std::string(kSchema) + "; CREATE INDEX i ON t(a); CREATE VIEW v AS SELECT a FROM t");
  colony.app("b").run("CREATE TABLE log(what)");
  colony.settle();
  colony.snapshot("b");
  colony.app("a").run("UPDATE t SET b = 100 WHERE k = 1");
  colony.a_is_left_alone();
  colony.meddle(GetParam().sql);
  colony.capture_missed();
  ASSERT_FALSE(colony.app("a").outbox().empty());
  colony.app("b").run(
      "UPDATE t SET b = 7 WHERE k = 3; INSERT INTO t(k, a) VALUES(9, 'nine'); CREATE TABLE of_b(k "
      "PRIMARY KEY)");
  colony.node("b").settle();
  expect_equal_nodes(colony);
  EXPECT_NE(colony.state("b").find("of_b"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, MissedSchemaChanges,
    testing::Values(SchemaCase{"column", "ALTER TABLE t ADD COLUMN c DEFAULT 5; UPDATE t SET c = 6 WHERE k = 1"},
                    SchemaCase{"renamed_column", "ALTER TABLE t RENAME COLUMN b TO c; UPDATE t SET c = 6 WHERE k = 1"},
                    SchemaCase{"renamed_table", "ALTER TABLE w RENAME TO u; INSERT INTO u VALUES('n', 2, 3)"},
                    SchemaCase{"new_table",
                               "CREATE TABLE n(k INTEGER PRIMARY KEY, v); INSERT INTO n VALUES(1, 'x'); CREATE INDEX "
                               "ni ON n(v)"},
                    SchemaCase{"new_table_without_key", "CREATE TABLE n(v); CREATE VIRTUAL TABLE f USING fts5(a)"},
                    SchemaCase{"dropped_table", "DROP TABLE w; UPDATE t SET b = 8"},
                    SchemaCase{"dropped_table_without_key", "DROP TABLE log"},
                    SchemaCase{"indexes_and_views",
                               "DROP INDEX i; DROP VIEW v; CREATE INDEX j ON t(b); CREATE VIEW v AS SELECT b "
                               "FROM t; CREATE TRIGGER r AFTER INSERT ON w BEGIN DELETE FROM t; END"},
                    SchemaCase{"unique_index", "UPDATE t SET b = k; CREATE UNIQUE INDEX j ON t(b)"},
                    SchemaCase{"remade_table",
                               "DROP VIEW v; CREATE TABLE s(k INTEGER PRIMARY KEY, a, n NOT NULL DEFAULT 4); INSERT "
                               "INTO s(k, a) SELECT k, a || '!' FROM t; DROP TABLE t; ALTER TABLE s RENAME TO t; "
                               "DELETE FROM t WHERE k = 2"},
                    SchemaCase{
                        "many",
                        "ALTER TABLE t RENAME COLUMN a TO name; ALTER TABLE t ADD COLUMN c; DROP TABLE w; CREATE "
                        "TABLE n(k TEXT PRIMARY KEY); INSERT INTO n SELECT name FROM t"}),
    [](const auto& param) { return std::string(param.param.name); });

TEST(MissedChanges, columns_that_were_added_by_hand_are_no_change) {
  MissedColony colony(kSchema);
  colony.snapshot("b");
  for (const char* node : {"a", "b"}) {
    Database db = open_for_fold(colony.path(node));
    db.execute("ALTER TABLE t ADD COLUMN c DEFAULT 5");
    for (const std::string& table : replicated_tables(db)) refresh_guards(db, table);
    agree_on_definitions(db);
  }
  colony.a_is_left_alone();
  colony.meddle("UPDATE t SET c = 6 WHERE k = 1");
  EXPECT_EQ(colony.capture_missed(), "t ~ 1 . . 5>6\n");
  expect_equal_nodes(colony);
}

// Whatever SQL does to rows, b gets it.
TEST(MissedChanges, random_histories_end_with_equal_nodes) {
  for (std::uint32_t seed = 0; seed < seeds(40); ++seed) {
    RandomSql sql(seed);
    const std::string schema = random_schemas()[seed % random_schemas().size()];
    MissedColony colony(schema);
    const auto some = [&](const auto& run) {
      for (std::uint32_t i = sql.below(12); i > 0; --i) {
        try {
          run(sql.statement());
        } catch (const Error&) {
          continue;  // a constraint
        }
      }
    };
    const auto on_a = [&](const std::string& statement) { colony.app("a").run(statement); };
    const auto on_b = [&](const std::string& statement) { colony.app("b").run(statement); };
    some(on_a);
    colony.settle();
    colony.snapshot(sql.below(2) == 0 ? "a" : "b");
    some(on_b);
    colony.settle();
    some(on_a);  // pending
    colony.a_is_left_alone();
    some([&](const std::string& statement) { colony.meddle(statement); });
    const std::string before = colony.app("a").rows("t");
    colony.capture_missed();
    EXPECT_EQ(colony.app("a").rows("t"), before);
    some(on_b);
    colony.node("b").settle();
    expect_equal_nodes(colony);
    if (testing::Test::HasFailure()) FAIL() << "seed " << seed << " " << schema;
  }
}

}  // namespace
}  // namespace colony::unit
