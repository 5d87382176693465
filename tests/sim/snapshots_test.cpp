// The log is cut, and nodes that lag behind install a snapshot. Every
// settle() compares rows, journals and what is left over with the reference model,
// which knows nothing of snapshots.
#include <gtest/gtest.h>

#include "replicator/log/entry.h"
#include "tests/sim/small_colony.h"

namespace colony::sim {
namespace {

using Rows = std::vector<std::string>;

constexpr const char* kTable = "CREATE TABLE t(k INTEGER PRIMARY KEY, x)";
constexpr const char* kUnique = "CREATE TABLE t(k INTEGER PRIMARY KEY, u UNIQUE, v UNIQUE)";
constexpr const char* kLarge =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) "
    "INSERT INTO t SELECT 100 + i, hex(randomblob(10000)) FROM n";

// `maker` absorbs all and makes a snapshot; `late`, which was away, comes back to a
// cut log and takes it.
void take_base(SmallColony& colony, const std::string& maker, const std::string& late) {
  ASSERT_EQ(colony.apply(maker), "");
  ASSERT_EQ(colony.snapshot(maker), "");
  colony.cut_log();
  colony.restart(late);
  ASSERT_NE(colony.apply(late).find("no longer has entries"), std::string::npos);
  ASSERT_EQ(colony.install(late), "");
}

// A large transaction of `origin`, of which only a part is in the log.
void send_half_of_a_large_transaction(SmallColony& colony, const std::string& origin) {
  colony.log().set_entry_bytes_max(kEntryBytesMin);
  colony.restart(origin);
  ASSERT_EQ(colony.apply(origin), "");
  colony.sql(origin, kLarge);
  const Sequence before = colony.log().last();
  while (colony.log().last().value() < before.value() + 2) colony.node(origin).publisher().step();
}

std::string pending(SmallColony& colony, const std::string& node) {
  return colony.rows(node, "SELECT count(*) FROM __colony_outbox WHERE last").front();
}

TEST(Snapshots, pending_transaction_stays_on_top_of_the_installed_snapshot) {
  SmallColony colony(kTable);
  colony.sql("b", "INSERT INTO t VALUES(1, 'b')");
  colony.sql("a", "INSERT INTO t VALUES(2, 'a')");
  colony.publish("a");
  take_base(colony, "a", "b");
  EXPECT_EQ(pending(colony, "b"), "1");
  EXPECT_EQ(colony.rows("b", "SELECT * FROM t ORDER BY k"), (Rows{"1|b", "2|a"}));
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", "SELECT * FROM t ORDER BY k"), (Rows{"1|b", "2|a"}));
}

TEST(Snapshots, own_transaction_of_the_missed_range_is_not_redone) {
  SmallColony colony(kTable);
  colony.sql("b", "INSERT INTO t VALUES(1, 'b')");
  colony.publish("b");
  colony.apply("a");
  colony.sql("a", "UPDATE t SET x = 'a' WHERE k = 1");
  colony.publish("a");
  colony.sql("b", "INSERT INTO t VALUES(2, 'b')");
  take_base(colony, "a", "b");
  EXPECT_EQ(pending(colony, "b"), "1");
  EXPECT_EQ(colony.rows("b", "SELECT * FROM t ORDER BY k"), (Rows{"1|a", "2|b"}));
  ASSERT_EQ(colony.settle(), "");
}

TEST(Snapshots, own_transaction_that_lost_in_the_missed_range_is_journalled_once) {
  SmallColony colony(kUnique);
  colony.sql("a", "INSERT INTO t VALUES(1, 'u', 'a')");
  colony.sql("b", "INSERT INTO t VALUES(2, 'u', 'b')");
  colony.publish("a");
  colony.apply("b");  // pending on top of it: a conflict that is not settled
  EXPECT_EQ(colony.rows("b", "SELECT sequence FROM __colony_conflicts"), Rows{"0"});
  colony.publish("b");
  take_base(colony, "a", "b");
  EXPECT_EQ(pending(colony, "b"), "0");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.conflicts("b").size(), 1u);
}

TEST(Snapshots, own_large_transaction_is_in_the_snapshot_in_part) {
  SmallColony colony(kTable);
  send_half_of_a_large_transaction(colony, "b");
  take_base(colony, "a", "b");
  EXPECT_EQ(pending(colony, "b"), "1");
  EXPECT_EQ(colony.rows("b", "SELECT count(*) FROM __colony_parts"), Rows{"0"});
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", "SELECT count(*) FROM t"), Rows{"20"});
}

TEST(Snapshots, own_large_transaction_ended_in_the_missed_range) {
  SmallColony colony(kTable);
  send_half_of_a_large_transaction(colony, "b");
  colony.apply("b");  // one half came back, the other is not seen any more
  colony.publish("b");
  take_base(colony, "a", "b");
  EXPECT_EQ(pending(colony, "b"), "0");
  ASSERT_EQ(colony.settle(), "");
}

TEST(Snapshots, snapshot_holds_the_fragments_of_its_makers_large_transaction) {
  SmallColony colony(kTable);
  send_half_of_a_large_transaction(colony, "a");
  take_base(colony, "a", "b");
  EXPECT_NE(colony.rows("b", "SELECT count(*) FROM __colony_parts"), Rows{"0"});
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("b", "SELECT count(*) FROM t"), Rows{"20"});
}

TEST(Snapshots, large_transaction_of_a_third_node_goes_on_after_the_cut) {
  SmallColony colony(kTable, {"a", "b", "c"});
  send_half_of_a_large_transaction(colony, "c");
  ASSERT_EQ(colony.apply("c"), "");
  take_base(colony, "a", "b");
  colony.join("d");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("d", "SELECT count(*) FROM t"), Rows{"20"});
}

TEST(Snapshots, makers_pending_transactions_give_back_the_rows_that_they_displaced) {
  SmallColony colony(kUnique);
  colony.sql("a", "INSERT INTO t VALUES(1, 'u', 1), (3, 'w', 3)");
  ASSERT_EQ(colony.settle(), "");
  colony.sql("a", "INSERT OR REPLACE INTO t VALUES(2, 'u', 3)");  // displaces both
  colony.sql("b", "UPDATE t SET v = 4 WHERE k = 3");
  colony.publish("b");
  colony.apply("a");
  ASSERT_EQ(colony.snapshot("a"), "");
  colony.join("c");
  EXPECT_EQ(colony.rows("c", "SELECT * FROM t ORDER BY k"), (Rows{"1|u|1", "3|w|4"}));
  ASSERT_EQ(colony.settle(), "");
}

TEST(Snapshots, rebased_pending_transaction_that_displaced_a_row_is_taken_out) {
  SmallColony colony(kUnique, {"a", "b", "c"});
  colony.sql("a", "INSERT INTO t VALUES(2, 'u', 2)");
  colony.sql("b", "INSERT INTO t VALUES(1, 'u', 1)");
  colony.publish("b");
  colony.apply("b");
  take_base(colony, "a", "c");  // a has displaced b's row on top
  EXPECT_EQ(colony.rows("a", "SELECT k FROM t"), Rows{"2"});
  EXPECT_EQ(colony.rows("c", "SELECT k FROM t"), Rows{"1"});
  ASSERT_EQ(colony.settle(), "");
}

TEST(Snapshots, pending_transaction_displaces_a_row_of_the_installed_snapshot) {
  SmallColony colony(kUnique);
  colony.sql("b", "INSERT INTO t VALUES(2, 'u', 2)");
  colony.sql("a", "INSERT INTO t VALUES(1, 'u', 1)");
  colony.publish("a");
  take_base(colony, "a", "b");
  EXPECT_EQ(colony.rows("b", "SELECT sequence, origin, key FROM __colony_conflicts"), Rows{"0|b|{\"k\":1}"});
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.conflicts("a").size(), 1u);
}

TEST(Snapshots, rows_have_swapped_their_unique_values) {
  SmallColony colony(kUnique);
  colony.sql("a", "INSERT INTO t VALUES(1, 'x', 'p'), (2, 'y', 'q'), (3, 'z', 'r')");
  ASSERT_EQ(colony.settle(), "");
  colony.sql("a", "BEGIN; DELETE FROM t; INSERT INTO t VALUES(1, 'y', 'r'), (2, 'z', 'p'), (3, 'x', 'q'); COMMIT");
  colony.publish("a");
  colony.sql("b", "UPDATE t SET u = 'new' WHERE k = 2");
  take_base(colony, "a", "b");
  ASSERT_EQ(colony.settle(), "");
}

TEST(Snapshots, rows_differ_by_the_type_of_a_value_alone) {
  SmallColony colony(kTable);
  colony.sql("a", "INSERT INTO t VALUES(1, 1), (2, 0.0), (3, 'a'), (4, 5)");
  ASSERT_EQ(colony.settle(), "");
  colony.sql("a", "UPDATE t SET x = 1.0 WHERE k = 1; UPDATE t SET x = -0.0 WHERE k = 2");
  colony.sql("a", "UPDATE t SET x = CAST('a' AS BLOB) WHERE k = 3; UPDATE t SET x = '5' WHERE k = 4");
  colony.publish("a");
  take_base(colony, "a", "b");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("b", "SELECT typeof(x) FROM t ORDER BY k"), (Rows{"real", "real", "blob", "text"}));
}

TEST(Snapshots, keys_that_are_one_to_their_collation) {
  SmallColony colony(
      "CREATE TABLE t(k TEXT PRIMARY KEY COLLATE NOCASE, x) WITHOUT ROWID; "
      "CREATE TABLE n(k PRIMARY KEY, x)");
  colony.sql("a", "INSERT INTO t VALUES('key', 1), ('other', 2); INSERT INTO n VALUES(1, 1), (2, 2)");
  ASSERT_EQ(colony.settle(), "");
  colony.sql("a", "UPDATE t SET k = 'KEY' WHERE k = 'key'; UPDATE n SET k = 1.0 WHERE k = 1");
  colony.publish("a");
  colony.sql("b", "UPDATE t SET x = 'b' WHERE k = 'Key'; UPDATE t SET k = 'OTHER' WHERE k = 'other'");
  take_base(colony, "a", "b");
  EXPECT_EQ(colony.rows("b", "SELECT k, x FROM t ORDER BY k"), (Rows{"KEY|b", "OTHER|2"}));
  ASSERT_EQ(colony.settle(), "");
}

TEST(Snapshots, derived_text_index_follows_the_installed_snapshot) {
  SmallColony colony(
      "CREATE TABLE t(k INTEGER PRIMARY KEY, x TEXT); "
      "CREATE VIRTUAL TABLE f USING fts5(x, content = t, content_rowid = k); "
      "CREATE TRIGGER ti AFTER INSERT ON t BEGIN INSERT INTO f(rowid, x) VALUES(new.k, new.x); END; "
      "CREATE TRIGGER td AFTER DELETE ON t BEGIN INSERT INTO f(f, rowid, x) VALUES('delete', old.k, old.x); END; "
      "CREATE TRIGGER tu AFTER UPDATE ON t BEGIN INSERT INTO f(f, rowid, x) VALUES('delete', old.k, old.x); "
      "INSERT INTO f(rowid, x) VALUES(new.k, new.x); END");
  colony.sql("a", "INSERT INTO t VALUES(1, 'one'), (2, 'two')");
  ASSERT_EQ(colony.settle(), "");
  colony.sql("a", "UPDATE t SET x = 'three' WHERE k = 1; DELETE FROM t WHERE k = 2; INSERT INTO t VALUES(4, 'four')");
  colony.publish("a");
  colony.sql("b", "INSERT INTO t VALUES(5, 'five'); UPDATE t SET x = 'six' WHERE k = 2");
  take_base(colony, "a", "b");
  colony.join("c");
  ASSERT_EQ(colony.settle(), "");
  for (const char* const node : {"a", "b", "c"}) {
    EXPECT_EQ(colony.rows(node, "SELECT rowid FROM f WHERE f MATCH 'three OR four OR five' ORDER BY 1"),
              (Rows{"1", "4", "5"}));
    EXPECT_EQ(colony.rows(node, "SELECT rowid FROM f WHERE f MATCH 'one OR two OR six'"), Rows{});
    EXPECT_EQ(colony.try_sql(node, "INSERT INTO f(f, rank) VALUES('integrity-check', 1)"), "") << node;
  }
}

TEST(Snapshots, crash_before_and_after_the_install) {
  SmallColony colony(kTable);
  colony.sql("b", "INSERT INTO t VALUES(1, 'b')");
  colony.publish("b");
  colony.sql("b", "INSERT INTO t VALUES(2, 'b')");
  colony.apply("a");
  ASSERT_EQ(colony.snapshot("a"), "");
  colony.cut_log();
  colony.restart("b");
  EXPECT_NE(colony.apply("b"), "");
  colony.restart("b");
  ASSERT_EQ(colony.install("b"), "");
  colony.restart("b");
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("a", "SELECT k FROM t ORDER BY k"), (Rows{"1", "2"}));
}

TEST(Snapshots, snapshot_that_is_not_ahead_changes_nothing) {
  SmallColony colony(kTable);
  ASSERT_EQ(colony.snapshot("a"), "");
  colony.sql("a", "INSERT INTO t VALUES(1, 'a')");
  ASSERT_EQ(colony.settle(), "");
  ASSERT_EQ(colony.install("b"), "");
  EXPECT_EQ(colony.rows("b", "SELECT * FROM t"), Rows{"1|a"});
  ASSERT_EQ(colony.settle(), "");
}

TEST(Snapshots, snapshot_of_another_log_is_refused) {
  SmallColony colony(kTable);
  colony.sql("a", "INSERT INTO t VALUES(1, 'a')");
  colony.publish("a");
  colony.apply("a");
  ASSERT_EQ(colony.snapshot("a"), "");
  colony.node("b").observer().execute("UPDATE __colony_meta SET value = 'epoch-2' WHERE key = 'epoch'");
  EXPECT_NE(colony.install("b").find("epoch-2"), std::string::npos);
  EXPECT_EQ(colony.rows("b", "SELECT * FROM t"), Rows{});
}

TEST(Snapshots, rows_that_were_never_shared_are_not_replaced) {
  SmallColony colony(kTable);
  colony.sql("a", "INSERT INTO t VALUES(1, 'a')");
  colony.publish("a");
  colony.apply("a");
  ASSERT_EQ(colony.snapshot("a"), "");
  colony.sql("b", "INSERT INTO t VALUES(9, 'alone')");
  colony.node("b").observer().execute(
      "DELETE FROM __colony_outbox; DELETE FROM __colony_origins; "
      "UPDATE __colony_meta SET value = 0 WHERE key = 'position'");
  colony.restart("b");
  EXPECT_NE(colony.install("b").find("rows from before it joined"), std::string::npos);
  EXPECT_EQ(colony.rows("b", "SELECT * FROM t"), Rows{"9|alone"});
}

TEST(Snapshots, file_that_met_no_log_yet_keeps_what_its_app_wrote) {
  SmallColony colony(kTable);
  colony.sql("a", "INSERT INTO t VALUES(1, 'a')");
  colony.publish("a");
  colony.node("b").observer().execute(
      "DELETE FROM __colony_origins; UPDATE __colony_meta SET value = 0 WHERE key = 'position'; "
      "UPDATE __colony_meta SET value = 999 WHERE key = 'incarnation'");
  colony.apply("a");
  ASSERT_EQ(colony.snapshot("a"), "");
  colony.sql("b", "INSERT INTO t VALUES(2, 'b')");
  colony.restart("b");
  EXPECT_EQ(colony.install("b"), "");
  EXPECT_EQ(colony.rows("b", "SELECT * FROM t ORDER BY k"), (Rows{"1|a", "2|b"}));
  EXPECT_NE(colony.apply("b").find("belongs to"), std::string::npos);  // the name is another file's
}

TEST(Snapshots, new_node_joins_and_takes_part) {
  SmallColony colony(kTable);
  colony.sql("a", "INSERT INTO t VALUES(1, 'a')");
  ASSERT_EQ(colony.settle(), "");
  colony.sql("a", "INSERT INTO t VALUES(2, 'pending')");
  ASSERT_EQ(colony.snapshot("a"), "");
  colony.cut_log();
  colony.join("c");
  EXPECT_EQ(colony.rows("c", "SELECT * FROM t"), Rows{"1|a"});
  colony.sql("c", "INSERT INTO t VALUES(3, 'c')");  // before it knows anybody
  ASSERT_EQ(colony.settle(), "");
  EXPECT_EQ(colony.rows("b", "SELECT k FROM t ORDER BY k"), (Rows{"1", "2", "3"}));
}

}  // namespace
}  // namespace colony::sim
