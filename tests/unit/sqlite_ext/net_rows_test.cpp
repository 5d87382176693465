// What a transaction comes to: each row once, as its net change.
#include "sqlite_ext/net_rows.h"

#include <gtest/gtest.h>

#include "tests/unit/memory_node.h"

namespace colony {
namespace {

using unit::MemoryNode;

// The changeset of one transaction on a table with rows 1 'a' and 2 'b'.
std::string net(const std::string& statements,
                const std::string& schema = "CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)") {
  MemoryNode node(schema);
  node.run("INSERT INTO t VALUES(1, 'a', NULL), (2, 'b', NULL)");
  return node.captured("BEGIN; " + statements + "; COMMIT");
}

TEST(NetRows, insert_and_update_are_an_insert) {
  EXPECT_EQ(net("INSERT INTO t VALUES(3, 'x', 'y'); UPDATE t SET a = 'z' WHERE k = 3"), "t + 3 'z' 'y'\n");
}

TEST(NetRows, insert_and_delete_are_nothing) {
  EXPECT_EQ(net("INSERT INTO t VALUES(3, 'x', 'y'); DELETE FROM t WHERE k = 3"), "");
  EXPECT_EQ(net("INSERT INTO t VALUES(3, 'x', 'y'); UPDATE t SET b = 1 WHERE k = 3; DELETE FROM t WHERE k = 3"), "");
}

TEST(NetRows, insert_after_insert_and_delete_counts) {
  EXPECT_EQ(net("INSERT INTO t VALUES(3, 1, 2); DELETE FROM t WHERE k = 3; INSERT INTO t VALUES(3, 4, 5)"),
            "t + 3 4 5\n");
}

TEST(NetRows, two_updates_are_one_from_the_first_to_the_last) {
  EXPECT_EQ(net("UPDATE t SET a = 'x' WHERE k = 1; UPDATE t SET a = 'y' WHERE k = 1"), "t ~ 1 'a'>'y' .\n");
  EXPECT_EQ(net("UPDATE t SET a = 'x' WHERE k = 1; UPDATE t SET b = 'y' WHERE k = 1"), "t ~ 1 'a'>'x' NULL>'y'\n");
}

TEST(NetRows, update_there_and_back_is_nothing) {
  EXPECT_EQ(net("UPDATE t SET a = 'x' WHERE k = 1; UPDATE t SET a = 'a' WHERE k = 1"), "");
  EXPECT_EQ(net("UPDATE t SET a = a"), "");
}

TEST(NetRows, update_of_two_columns_and_one_back_keeps_the_other) {
  EXPECT_EQ(net("UPDATE t SET a = 'x', b = 1 WHERE k = 1; UPDATE t SET a = 'a' WHERE k = 1"), "t ~ 1 . NULL>1\n");
}

TEST(NetRows, update_after_there_and_back_counts) {
  EXPECT_EQ(net("UPDATE t SET a = 'x' WHERE k = 1; UPDATE t SET a = 'a' WHERE k = 1; UPDATE t SET b = 1 WHERE k = 1"),
            "t ~ 1 . NULL>1\n");
}

TEST(NetRows, update_and_delete_are_a_delete_of_what_was_there_before) {
  EXPECT_EQ(net("UPDATE t SET a = 'x' WHERE k = 1; DELETE FROM t WHERE k = 1"), "t - 1 'a' NULL\n");
}

TEST(NetRows, delete_and_insert_are_an_update) {
  EXPECT_EQ(net("DELETE FROM t WHERE k = 1; INSERT INTO t VALUES(1, 'a', 5)"), "t ~ 1 . NULL>5\n");
  EXPECT_EQ(net("DELETE FROM t WHERE k = 1; INSERT INTO t VALUES(1, 'a', NULL)"), "");
}

TEST(NetRows, delete_insert_and_delete_are_a_delete) {
  EXPECT_EQ(net("DELETE FROM t WHERE k = 1; INSERT INTO t VALUES(1, 'z', 5); DELETE FROM t WHERE k = 1"),
            "t - 1 'a' NULL\n");
}

TEST(NetRows, key_change_is_a_delete_and_an_insert) {
  EXPECT_EQ(net("UPDATE t SET k = 3 WHERE k = 1"), "t - 1 'a' NULL\nt + 3 'a' NULL\n");
}

TEST(NetRows, key_change_there_and_back_is_nothing) {
  EXPECT_EQ(net("UPDATE t SET k = 3 WHERE k = 1; UPDATE t SET k = 1 WHERE k = 3"), "");
  EXPECT_EQ(net("UPDATE t SET k = 3 WHERE k = 1; UPDATE t SET k = 1, b = 7 WHERE k = 3"), "t ~ 1 . NULL>7\n");
}

TEST(NetRows, keys_that_change_in_a_chain) {
  EXPECT_EQ(net("UPDATE t SET k = k + 10; UPDATE t SET k = k - 9"),
            "t - 1 'a' NULL\nt ~ 2 'b'>'a' .\nt + 3 'b' NULL\n");
}

TEST(NetRows, key_that_changes_its_case_alone_is_a_delete_and_an_insert) {
  MemoryNode node("CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, a)");
  node.run("INSERT INTO t VALUES('key', 1)");
  EXPECT_EQ(node.captured("UPDATE t SET k = 'KEY'"), "t - 'key' 1\nt + 'KEY' 1\n");
  EXPECT_EQ(node.captured("BEGIN; UPDATE t SET k = 'Key'; UPDATE t SET k = 'KEY'; COMMIT"), "");
}

TEST(NetRows, key_that_changes_from_integer_to_real_is_a_delete_and_an_insert) {
  MemoryNode node("CREATE TABLE t(k PRIMARY KEY NOT NULL, a)");
  node.run("INSERT INTO t VALUES(1, 'a')");
  EXPECT_EQ(node.captured("UPDATE t SET k = 1.0"), "t - 1 'a'\nt + 1.0 'a'\n");
}

TEST(NetRows, value_that_changes_its_type_alone_is_an_update) {
  EXPECT_EQ(net("UPDATE t SET b = 1 WHERE k = 1; UPDATE t SET b = 1.0 WHERE k = 1"), "t ~ 1 . NULL>1.0\n");
  EXPECT_EQ(net("UPDATE t SET a = CAST(a AS BLOB) WHERE k = 1"), "t ~ 1 'a'>x'61' .\n");
}

TEST(NetRows, rows_that_replace_displaces_are_deletes) {
  const std::string schema = "CREATE TABLE t(k INTEGER PRIMARY KEY, a UNIQUE, b)";
  EXPECT_EQ(net("REPLACE INTO t VALUES(3, 'a', 1)", schema), "t - 1 'a' NULL\nt + 3 'a' 1\n");
  EXPECT_EQ(net("REPLACE INTO t VALUES(1, 'b', 1)", schema), "t - 2 'b' NULL\nt ~ 1 'a'>'b' NULL>1\n");
  EXPECT_EQ(net("UPDATE OR REPLACE t SET a = 'b' WHERE k = 1", schema), "t - 2 'b' NULL\nt ~ 1 'a'>'b' .\n");
}

TEST(NetRows, deletes_come_first_then_updates_then_inserts_within_each_table) {
  MemoryNode node("CREATE TABLE one(k INTEGER PRIMARY KEY, a); CREATE TABLE two(k INTEGER PRIMARY KEY, a)");
  node.run("INSERT INTO one VALUES(1, 1), (2, 2); INSERT INTO two VALUES(1, 1), (2, 2)");
  EXPECT_EQ(node.captured("BEGIN; INSERT INTO two VALUES(3, 3); INSERT INTO one VALUES(3, 3); UPDATE two SET a = 0 "
                          "WHERE k = 1; DELETE FROM one WHERE k = 1; DELETE FROM two WHERE k = 2; COMMIT"),
            "two - 2 2\ntwo ~ 1 1>0\ntwo + 3 3\none - 1 1\none + 3 3\n");
}

TEST(NetRows, same_key_in_two_tables_is_two_rows) {
  MemoryNode node("CREATE TABLE one(k INTEGER PRIMARY KEY); CREATE TABLE two(k INTEGER PRIMARY KEY)");
  EXPECT_EQ(node.captured("BEGIN; INSERT INTO one VALUES(1); INSERT INTO two VALUES(1); DELETE FROM one; COMMIT"),
            "two + 1\n");
}

TEST(NetRows, values_of_a_composite_key_are_not_run_together) {
  MemoryNode node("CREATE TABLE t(a TEXT, b TEXT, c, PRIMARY KEY(b, a)) WITHOUT ROWID");
  node.run("INSERT INTO t VALUES('x', 'yz', 1)");
  EXPECT_EQ(node.captured("BEGIN; INSERT INTO t VALUES('xy', 'z', 2); UPDATE t SET c = c + 10; COMMIT"),
            "t ~ 'x' 'yz' 1>11\nt + 'xy' 'z' 12\n");
}

TEST(NetRows, many_rows_of_one_transaction_are_each_found_again) {
  MemoryNode node("CREATE TABLE t(k INTEGER PRIMARY KEY, a)");
  node.run(
      "BEGIN; WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT i, 0 FROM n;"
      "UPDATE t SET a = k; DELETE FROM t WHERE k % 2; COMMIT");
  std::size_t changes = 0;
  const std::string changeset = node.outbox().front();
  ChangesetReader reader(changeset);
  for (Change change; reader.next(change); ++changes) {
    ASSERT_EQ(change.op, Operation::kInsert);
    ASSERT_EQ(change.after[0].integer, change.after[1].integer);
  }
  EXPECT_EQ(changes, 2500u);
}

TEST(NetRows, changes_that_cannot_follow_one_another_are_refused) {
  const ChangesetTable layout{"t", {1}};
  ChangeLog log{SpillSettings()};
  for (int i = 0; i < 2; ++i) log.append(0, Operation::kInsert, {}, {Value::of_integer(1)});
  EXPECT_THROW(NetRows(log, [&](std::uint32_t) -> const ChangesetTable& { return layout; }), ChangesetError);
}

}  // namespace
}  // namespace colony
