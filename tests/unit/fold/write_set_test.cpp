// Transactions that give the same in either order do not meet; those that do not, do.
#include "replicator/fold/write_set.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/memory_node.h"
#include "tests/unit/random_sql.h"

namespace colony {
namespace {

using unit::changeset_at_origin;
using unit::MemoryFold;
using unit::MemoryNode;

bool contains(const std::vector<std::uint64_t>& writes, std::uint64_t write) {
  return std::find(writes.begin(), writes.end(), write) != writes.end();
}

bool meets(const WriteSet& asking, const WriteSet& marked) {
  return std::any_of(asking.overlaps.begin(), asking.overlaps.end(),
                     [&](std::uint64_t write) { return contains(marked.writes, write); });
}

// Two transactions on rows that the statements `before` make.
class Pair {
 public:
  Pair(const std::string& schema, const std::string& before) : schema_(schema), before_(before), file_(schema, "") {}

  bool overlap(const std::string& one, const std::string& other) {
    const WriteSet a = write_set(one), b = write_set(other);
    EXPECT_EQ(meets(a, b), meets(b, a)) << one << "; " << other;
    return meets(a, b);
  }

 private:
  WriteSet write_set(const std::string& sql) {
    WriteSet write_set;
    add_to_write_set(file_.schema(), changeset_at_origin(schema_, before_, sql), write_set);
    return write_set;
  }

  std::string schema_, before_;
  MemoryFold file_;
};

TEST(WriteSet, same_row_overlaps_and_another_does_not) {
  Pair pair("CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)", "INSERT INTO t VALUES(1, 1, 1), (2, 2, 2)");
  EXPECT_TRUE(pair.overlap("UPDATE t SET a = 5 WHERE k = 1", "UPDATE t SET a = 6 WHERE k = 1"));
  EXPECT_TRUE(pair.overlap("UPDATE t SET a = 5 WHERE k = 1", "UPDATE t SET b = 6 WHERE k = 1"));
  EXPECT_TRUE(pair.overlap("DELETE FROM t WHERE k = 1", "UPDATE t SET b = 6 WHERE k = 1"));
  EXPECT_TRUE(pair.overlap("INSERT INTO t VALUES(3, 1, 1)", "INSERT INTO t VALUES(3, 1, 1)"));
  EXPECT_TRUE(pair.overlap("UPDATE t SET k = 7 WHERE k = 1", "INSERT INTO t VALUES(7, 1, 1)"));
  EXPECT_TRUE(pair.overlap("UPDATE t SET k = 7 WHERE k = 1", "DELETE FROM t WHERE k = 1"));
  EXPECT_FALSE(pair.overlap("UPDATE t SET a = 5 WHERE k = 1", "UPDATE t SET a = 5 WHERE k = 2"));
  EXPECT_FALSE(pair.overlap("INSERT INTO t VALUES(3, 1, 1)", "INSERT INTO t VALUES(4, 1, 1)"));
  EXPECT_FALSE(pair.overlap("UPDATE t SET k = 7 WHERE k = 1", "DELETE FROM t WHERE k = 2"));
}

TEST(WriteSet, same_key_of_another_table_does_not_meet) {
  Pair pair("CREATE TABLE t(k INTEGER PRIMARY KEY); CREATE TABLE u(k INTEGER PRIMARY KEY)", "");
  EXPECT_FALSE(pair.overlap("INSERT INTO t VALUES(1)", "INSERT INTO u VALUES(1)"));
}

TEST(WriteSet, keys_that_sqlite_holds_equal_meet) {
  Pair nocase("CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, a)", "");
  EXPECT_TRUE(nocase.overlap("INSERT INTO t VALUES('Key', 1)", "INSERT INTO t VALUES('kEY', 2)"));
  EXPECT_FALSE(nocase.overlap("INSERT INTO t VALUES('Ä', 1)", "INSERT INTO t VALUES('ä', 2)"));
  Pair trimmed("CREATE TABLE t(k TEXT COLLATE RTRIM PRIMARY KEY NOT NULL, a)", "");
  EXPECT_TRUE(trimmed.overlap("INSERT INTO t VALUES('a', 1)", "INSERT INTO t VALUES('a  ', 2)"));
  EXPECT_FALSE(trimmed.overlap("INSERT INTO t VALUES('a', 1)", "INSERT INTO t VALUES(' a', 2)"));
  Pair untyped("CREATE TABLE t(k PRIMARY KEY NOT NULL, a)", "");
  EXPECT_TRUE(untyped.overlap("INSERT INTO t VALUES(1, 1)", "INSERT INTO t VALUES(1.0, 2)"));
  EXPECT_TRUE(untyped.overlap("INSERT INTO t VALUES(0, 1)", "INSERT INTO t VALUES(-0.0, 2)"));
  EXPECT_FALSE(untyped.overlap("INSERT INTO t VALUES(1, 1)", "INSERT INTO t VALUES('1', 2)"));
  EXPECT_FALSE(untyped.overlap("INSERT INTO t VALUES('a', 1)", "INSERT INTO t VALUES(x'61', 2)"));
}

TEST(WriteSet, one_value_of_a_unique_index_overlaps) {
  Pair pair("CREATE TABLE t(k INTEGER PRIMARY KEY, u UNIQUE, a)", "INSERT INTO t VALUES(1, 'x', 1), (2, 'y', 2)");
  EXPECT_TRUE(pair.overlap("INSERT INTO t VALUES(3, 'z', 1)", "INSERT INTO t VALUES(4, 'z', 1)"));
  EXPECT_TRUE(pair.overlap("INSERT INTO t VALUES(3, 'z', 1)", "UPDATE t SET u = 'z' WHERE k = 1"));
  EXPECT_TRUE(pair.overlap("DELETE FROM t WHERE k = 1", "UPDATE OR REPLACE t SET u = 'x' WHERE k = 2"));
  EXPECT_FALSE(pair.overlap("INSERT INTO t VALUES(3, 'z', 1)", "INSERT INTO t VALUES(4, 'zz', 1)"));
  EXPECT_FALSE(pair.overlap("INSERT INTO t VALUES(3, NULL, 1)", "INSERT INTO t VALUES(4, NULL, 1)"));
  EXPECT_FALSE(pair.overlap("INSERT INTO t VALUES(3, 'z', 1)", "UPDATE t SET a = 5 WHERE k = 1"));
}

TEST(WriteSet, unique_values_that_the_collation_holds_equal_meet) {
  Pair pair("CREATE TABLE t(k INTEGER PRIMARY KEY, u); CREATE UNIQUE INDEX i ON t(u COLLATE NOCASE)", "");
  EXPECT_TRUE(pair.overlap("INSERT INTO t VALUES(1, 'Z')", "INSERT INTO t VALUES(2, 'z')"));
  Pair binary("CREATE TABLE t(k INTEGER PRIMARY KEY, u UNIQUE)", "");
  EXPECT_FALSE(binary.overlap("INSERT INTO t VALUES(1, 'Z')", "INSERT INTO t VALUES(2, 'z')"));
  EXPECT_TRUE(binary.overlap("INSERT INTO t VALUES(1, 2)", "INSERT INTO t VALUES(2, 2.0)"));
}

TEST(WriteSet, composite_unique_index) {
  Pair pair("CREATE TABLE t(k INTEGER PRIMARY KEY, u, v, a, UNIQUE(u, v))",
            "INSERT INTO t VALUES(1, 'x', 'p', 0), (2, 'y', 'q', 0)");
  EXPECT_TRUE(pair.overlap("INSERT INTO t VALUES(3, 'a', 'b', 0)", "INSERT INTO t VALUES(4, 'a', 'b', 0)"));
  EXPECT_FALSE(pair.overlap("INSERT INTO t VALUES(3, 'a', 'b', 0)", "INSERT INTO t VALUES(4, 'a', 'c', 0)"));
  EXPECT_FALSE(pair.overlap("INSERT INTO t VALUES(3, 'a', 'b', 0)", "UPDATE t SET a = 1 WHERE k = 1"));
  // An update knows one half of its new value only, so it meets whatever enters the index.
  EXPECT_TRUE(pair.overlap("UPDATE t SET v = 'b' WHERE k = 1", "INSERT INTO t VALUES(4, 'x', 'b', 0)"));
  EXPECT_TRUE(pair.overlap("UPDATE t SET v = 'q' WHERE k = 1", "UPDATE t SET u = 'x' WHERE k = 2"));
}

TEST(WriteSet, partial_and_expression_indexes_overlap_whatever_may_enter_them) {
  Pair partial("CREATE TABLE t(k INTEGER PRIMARY KEY, u, live); CREATE UNIQUE INDEX i ON t(u) WHERE live",
               "INSERT INTO t VALUES(1, 'x', 0), (2, 'x', 0)");
  EXPECT_TRUE(partial.overlap("UPDATE t SET live = 1 WHERE k = 1", "UPDATE t SET live = 1 WHERE k = 2"));
  EXPECT_TRUE(partial.overlap("INSERT INTO t VALUES(3, 'x', 1)", "UPDATE t SET live = 1 WHERE k = 2"));
  Pair expression("CREATE TABLE t(k INTEGER PRIMARY KEY, u); CREATE UNIQUE INDEX i ON t(lower(u))", "");
  EXPECT_TRUE(expression.overlap("INSERT INTO t VALUES(3, 'X')", "INSERT INTO t VALUES(4, 'x')"));
}

TEST(WriteSet, tables_that_the_file_lacks_are_ignored) {
  MemoryFold file("CREATE TABLE t(k INTEGER PRIMARY KEY)", "");
  WriteSet write_set;
  add_to_write_set(file.schema(),
                   changeset_at_origin("CREATE TABLE o(k INTEGER PRIMARY KEY)", "", "INSERT INTO o VALUES(1)"),
                   write_set);
  add_to_write_set(file.schema(),
                   changeset_at_origin("CREATE TABLE t(k INTEGER PRIMARY KEY, a)", "", "INSERT INTO t VALUES(1, 2)"),
                   write_set);
  EXPECT_TRUE(write_set.writes.empty());
  EXPECT_TRUE(write_set.overlaps.empty());
}

TEST(WriteSet, fingerprint_of_a_row_is_the_one_its_changes_leave) {
  MemoryFold file("CREATE TABLE t(a, x TEXT COLLATE NOCASE, y, PRIMARY KEY(y, x)) WITHOUT ROWID", "");
  WriteSet write_set;
  add_to_write_set(file.schema(),
                   changeset_at_origin("CREATE TABLE t(a, x TEXT COLLATE NOCASE, y, PRIMARY KEY(y, x)) WITHOUT ROWID",
                                       "INSERT INTO t VALUES(1, 'Key', 2)", "UPDATE t SET a = 5"),
                   write_set);
  const std::uint64_t write =
      row_fingerprint(*file.schema().find("t"), {Value::of_text("other"), Value::of_text("kEY"), Value::of_real(2)});
  EXPECT_TRUE(contains(write_set.writes, write));
}

// What the applier counts on: somebody else's transaction that does not meet a
// pending one may be applied on top of it, instead of under it.
class WriteSetProperty : public testing::TestWithParam<std::string> {};

TEST_P(WriteSetProperty, transactions_that_do_not_overlap_give_the_same_in_either_order) {
  std::uint32_t compared = 0;
  const std::uint32_t seeds = unit::seeds(80);
  for (std::uint32_t seed = 0; seed < seeds; ++seed) {
    unit::RandomSql random(seed);
    MemoryNode here(GetParam()), there(GetParam());
    for (const std::string& sql : random.statements(5)) unit::error_of(here.db(), sql), unit::error_of(there.db(), sql);
    for (const std::string& sql : random.statements(3)) unit::error_of(there.db(), sql);
    const auto transaction = [&](MemoryNode& node) {
      const std::size_t before = node.outbox().size();
      unit::run_transaction(random.statements(2), [&](const std::string& sql) { unit::error_of(node.db(), sql); });
      return node.outbox().size() == before ? std::string() : node.outbox().back();
    };
    const std::string foreign = transaction(there);
    const std::string pending = transaction(here);
    if (foreign.empty() || pending.empty()) continue;

    MemoryFold file(here.path());  // with the pending transaction
    WriteSet of_foreign, of_pending;
    add_to_write_set(file.schema(), foreign, of_foreign);
    add_to_write_set(file.schema(), pending, of_pending);
    ASSERT_EQ(meets(of_foreign, of_pending), meets(of_pending, of_foreign));
    if (meets(of_foreign, of_pending)) continue;
    bool displaced_known = false;
    file.fold().on_displaced([&](const ReplicatedTable& table, const std::vector<Value>& row) {
      displaced_known |= contains(of_pending.writes, row_fingerprint(table, row));
    });
    const std::string on_top = file.apply(foreign);
    const std::string rows_on_top = file.rows("t");
    if (displaced_known) continue;  // the applier undoes everything then
    ++compared;

    // The order of the log: the pending transaction comes after.
    Conflicts conflicts;
    MemoryNode again(GetParam());
    unit::RandomSql same(seed);
    for (const std::string& sql : same.statements(5)) unit::error_of(again.db(), sql);
    MemoryFold ordered(again.path());
    const std::string under = ordered.apply(foreign);
    const std::string redone = ordered.apply(pending);
    const std::string script = "seed " + std::to_string(seed) + "\npending:\n" + unit::shown_changes(pending) +
                               "foreign:\n" + unit::shown_changes(foreign);
    ASSERT_EQ(rows_on_top, ordered.rows("t")) << script;
    ASSERT_EQ(on_top, under) << script;
    ASSERT_EQ(redone, "") << script;
  }
  // Whatever touches a table with an index on an expression may meet in it.
  const bool may_all_meet = GetParam().find("lower(") != std::string::npos;
  EXPECT_TRUE(may_all_meet || compared > seeds / 100) << "the seeds show nothing";
}

INSTANTIATE_TEST_SUITE_P(Schemas, WriteSetProperty, testing::ValuesIn(unit::random_schemas()),
                         [](const auto& schema) { return "schema" + std::to_string(schema.index); });

}  // namespace
}  // namespace colony
