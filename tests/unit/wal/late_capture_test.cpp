// What the others have of a row and what the file has: the one becomes the other, whatever was
// captured in between.
#include "replicator/wal/late_capture.h"

#include <gtest/gtest.h>

#include "replicator/fold/fold.h"
#include "sqlite_ext/change_log.h"
#include "sqlite_ext/net_rows.h"
#include "tests/unit/memory_node.h"

namespace colony::unit {
namespace {

class LateCaptureTest : public testing::Test {
 protected:
  LateCaptureTest() : node_("CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)") {
    node_.run("INSERT INTO t VALUES(1, 'a', 'b'), (2, 'a', 'b'); DELETE FROM __colony_outbox");
  }

  // What `sql` changes, and, if it is captured, comes into the outbox.
  LateCapture::Findings run(const std::string& sql, bool captured) {
    const std::int64_t before = end();
    const std::string changeset = node_.changeset_of(sql);
    const std::int64_t after = end();
    if (!captured) node_.run("DELETE FROM __colony_outbox WHERE piece > " + std::to_string(before));
    const std::string sent = captured ? changeset : "";
    return late_.take({changeset, sent, ChunkNumber(static_cast<std::uint64_t>(before + 1)),
                       ChunkNumber(static_cast<std::uint64_t>(after)), false},
                      [](const std::string&) { return true; });
  }

  std::int64_t end() { return node_.db().query_integer("SELECT coalesce(max(piece), 0) FROM __colony_outbox"); }

  // The changes of the transaction that is captured late.
  std::string write() {
    Database db = open_for_fold(node_.path());
    NodeFile file(db);
    const std::int64_t before = end();
    WriteTransaction transaction(db);
    late_.write(db, file);
    transaction.commit();
    late_.clear();
    std::string changes;
    Statement select(db, "SELECT changeset FROM __colony_outbox WHERE piece > ?1");
    select.bind(1, before);
    while (select.step()) changes += shown_changes(select.blob(0));
    return changes;
  }

  std::string effect(std::int64_t piece) {
    Statement select(node_.db(), "SELECT effect FROM __colony_outbox WHERE piece = ?1");
    select.bind(1, piece);
    if (!select.step() || select.is_null(0)) return "as captured";
    return shown_changes(select.blob(0));
  }

  MemoryNode node_;
  LateCapture late_;
};

TEST_F(LateCaptureTest, nothing_is_found_in_what_was_captured) {
  EXPECT_TRUE(run("UPDATE t SET a = 'x'; ", true).empty());
  EXPECT_TRUE(late_.empty());
}

TEST_F(LateCaptureTest, rows_that_were_not_captured_are_told_and_captured) {
  const LateCapture::Findings findings = run("UPDATE t SET a = 'x' WHERE k = 1", false);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings.at("t").not_in_outbox, 1u);
  EXPECT_EQ(findings.at("t").a_key, "[1]");
  run("DELETE FROM t WHERE k = 2", false);
  run("INSERT INTO t VALUES(3, NULL, 5)", false);
  EXPECT_EQ(write(), "t - 2 'a' 'b'\nt ~ 1 'a'>'x' .\nt + 3 NULL 5\n");
}

TEST_F(LateCaptureTest, what_came_to_nothing_is_not_captured) {
  run("UPDATE t SET a = 'x' WHERE k = 1", false);
  run("UPDATE t SET a = 'a' WHERE k = 1", false);
  EXPECT_EQ(write(), "");
}

TEST_F(LateCaptureTest, later_captured_value_stays) {
  run("UPDATE t SET a = 'x', b = 'x' WHERE k = 1", false);
  run("UPDATE t SET a = 'y' WHERE k = 1", true);
  const std::int64_t later = end();
  EXPECT_EQ(write(), "t ~ 1 . 'b'>'x'\n");
  EXPECT_EQ(effect(later), "t ~ 1 'a'>'y' .\n");
}

TEST_F(LateCaptureTest, captured_change_of_a_row_that_the_others_do_not_have_does_nothing_there) {
  run("INSERT INTO t VALUES(3, 1, 1)", false);
  run("UPDATE t SET a = 2 WHERE k = 3", true);
  const std::int64_t later = end();
  EXPECT_EQ(write(), "t + 3 2 1\n");
  EXPECT_EQ(effect(later), "");
}

TEST_F(LateCaptureTest, captured_insert_meets_the_row_that_the_others_still_have) {
  run("DELETE FROM t WHERE k = 1", false);
  run("INSERT INTO t VALUES(1, 'a', 'new')", true);
  const std::int64_t later = end();
  EXPECT_EQ(write(), "");
  EXPECT_EQ(effect(later), "t ~ 1 . 'b'>'new'\n");
}

TEST_F(LateCaptureTest, captured_delete_of_a_row_that_the_others_have_otherwise) {
  run("UPDATE t SET a = 'x' WHERE k = 1", false);
  run("DELETE FROM t WHERE k = 1", true);
  const std::int64_t later = end();
  EXPECT_EQ(write(), "");
  EXPECT_EQ(effect(later), "t - 1 'a' 'b'\n");
}

TEST_F(LateCaptureTest, table_that_is_given_up_is_to_be_compared) {
  run("UPDATE t SET a = 'x' WHERE k = 1", false);
  late_.give_up("t");
  EXPECT_FALSE(late_.empty());
  EXPECT_EQ(write(), "");
  EXPECT_EQ(unchecked_tables(node_.db()).count("t"), 1u);
}

}  // namespace
}  // namespace colony::unit
