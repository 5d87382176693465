// The hazards of rows that differ, one test each: the nodes themselves notice, soon, and
// never without cause.
#include <gtest/gtest.h>

#include "replicator/log/entry.h"
#include "tests/sim/small_colony.h"

namespace colony::sim {
namespace {

using Lines = std::vector<std::string>;

constexpr const char* kTables =
    "CREATE TABLE t(k INTEGER PRIMARY KEY, x);"
    "CREATE TABLE u(a TEXT COLLATE NOCASE, b INT, x, PRIMARY KEY(a, b)) WITHOUT ROWID";
constexpr const char* kRows =
    "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) INSERT INTO t SELECT i, 'row ' || i FROM n;"
    "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) "
    "INSERT INTO u SELECT char(97 + i % 7), i, 'row ' || i FROM n";
constexpr const char* kOneDiffers = "UPDATE t SET x = 'other' WHERE k = 33";
constexpr const char* kOneIsMended = "UPDATE t SET x = 'row 33' WHERE k = 33";
const Lines kCDiffers = {"table t: c has other rows than a, b"};

class DriftHazard : public testing::Test {
 protected:
  DriftHazard() {
    colony_.sql("a", kRows);
    EXPECT_EQ(colony_.settle(), "");
  }

  void expect(const Lines& drift) {
    for (const char* node : {"a", "b", "c"}) EXPECT_EQ(colony_.drift(node), drift) << node;
  }

  // A `colony verify` that a node runs.
  void verify(const std::string& node) {
    colony_.node(node).publisher().enqueue(BarrierEntry{++barriers_});
    EXPECT_EQ(colony_.rest(), "");
  }

  int questions(std::optional<CheckKind> kind = std::nullopt) {
    int count = 0;
    for (const Message& message : colony_.log().messages()) {
      const auto entry = decode(message.data, message.origin);
      const auto* question = entry ? std::get_if<QuestionEntry>(&entry->body) : nullptr;
      count += question != nullptr && (!kind || question->kind == *kind);
    }
    return count;
  }

  SmallColony colony_{kTables, {"a", "b", "c"}};
  std::uint64_t barriers_ = 0;
};

TEST_F(DriftHazard, is_found_within_a_pass) {
  colony_.check_all();
  expect({});
  colony_.node("c").write_behind_its_back(kOneDiffers);
  colony_.check_all();
  expect(kCDiffers);
  EXPECT_EQ(colony_.node("c").drift().size(), 1u);
  EXPECT_TRUE(colony_.node("a").drift().empty());  // it is one of those that are right
}

TEST_F(DriftHazard, is_found_in_every_row) {
  colony_.check_all();
  for (const char* differs : {"DELETE FROM t WHERE k = 1", "INSERT INTO t VALUES(-5, 0)", "INSERT INTO t VALUES(99, 0)",
                              "DELETE FROM t WHERE k = 40", "UPDATE t SET x = x'00' WHERE k = 17"}) {
    colony_.node("c").write_behind_its_back(std::string("SAVEPOINT one;") + differs + ";RELEASE one");
    colony_.check_all();
    expect(kCDiffers);
    colony_.node("c").write_behind_its_back("DELETE FROM t");
    for (const std::string& row : colony_.rows("a", "SELECT k || ', ' || quote(x) FROM t")) {
      colony_.node("c").write_behind_its_back("INSERT INTO t VALUES(" + row + ")");
    }
    colony_.check_all();
    expect({});
  }
}

TEST_F(DriftHazard, is_found_by_compound_keys_in_their_collation) {
  colony_.node("b").write_behind_its_back("UPDATE u SET x = 'other' WHERE b = 40");
  colony_.check_all();
  expect({"table u: b has other rows than a, c"});
}

TEST_F(DriftHazard, of_two_nodes_nobody_can_say_which_is_right) {
  colony_.crash("c");
  colony_.node("b").write_behind_its_back(kOneDiffers);
  colony_.check_all();
  EXPECT_EQ(colony_.drift("a"), Lines{"table t: a, b have different rows, and it cannot be told which are right"});
  EXPECT_EQ(colony_.node("a").drift().size(), 1u);
  EXPECT_EQ(colony_.node("b").drift().size(), 1u);
}

TEST_F(DriftHazard, is_named_when_a_third_node_answers_later) {
  colony_.crash("c");
  colony_.node("b").write_behind_its_back(kOneDiffers);
  colony_.check_all();
  colony_.start("c");
  EXPECT_EQ(colony_.rest(), "");
  colony_.check_all();
  EXPECT_EQ(colony_.drift("a"), Lines{"table t: b has other rows than a, c"});
}

TEST_F(DriftHazard, ends_when_it_is_mended) {
  colony_.node("c").write_behind_its_back(kOneDiffers);
  colony_.check_all();
  expect(kCDiffers);
  colony_.node("c").write_behind_its_back(kOneIsMended);
  colony_.check_all();
  expect({});
}

TEST_F(DriftHazard, does_not_end_while_who_differs_is_away) {
  colony_.node("c").write_behind_its_back(kOneDiffers);
  colony_.check_all();
  colony_.crash("c");
  colony_.check_all();
  EXPECT_EQ(colony_.drift("a"), kCDiffers);
}

TEST_F(DriftHazard, does_not_end_by_another_share_that_is_equal) {
  colony_.node("c").write_behind_its_back(kOneDiffers);
  colony_.check_all();
  colony_.node("c").write_behind_its_back("UPDATE t SET x = 'other' WHERE k = 2");
  colony_.node("c").write_behind_its_back(kOneIsMended);
  colony_.check_all();
  expect(kCDiffers);
}

TEST_F(DriftHazard, is_found_and_ended_by_a_verify) {
  colony_.node("c").write_behind_its_back(kOneDiffers);
  verify("b");
  expect(kCDiffers);
  colony_.node("c").write_behind_its_back(kOneIsMended);
  verify("a");
  expect({});
  EXPECT_EQ(questions(), 0);
}

TEST_F(DriftHazard, of_a_share_ends_by_a_verify) {
  colony_.node("c").write_behind_its_back(kOneDiffers);
  colony_.check_all();
  expect(kCDiffers);
  colony_.node("c").write_behind_its_back(kOneIsMended);
  verify("a");
  expect({});
}

TEST_F(DriftHazard, ends_when_who_differs_has_left) {
  colony_.node("c").write_behind_its_back(kOneDiffers);
  colony_.check_all();
  colony_.crash("c");
  colony_.leave("a", "c");
  EXPECT_EQ(colony_.rest(), "");
  EXPECT_EQ(colony_.drift("a"), Lines{});
  EXPECT_EQ(colony_.drift("b"), Lines{});
}

TEST_F(DriftHazard, survives_a_crash_of_everybody) {
  colony_.node("c").write_behind_its_back(kOneDiffers);
  colony_.check_all();
  for (const char* node : {"a", "b", "c"}) colony_.restart(node);
  EXPECT_EQ(colony_.rest(), "");
  expect(kCDiffers);
}

TEST_F(DriftHazard, is_handed_down_to_who_joins_and_is_not_theirs) {
  colony_.node("c").write_behind_its_back(kOneDiffers);
  colony_.check_all();
  ASSERT_EQ(colony_.snapshot("a"), "");
  colony_.join("d");
  EXPECT_EQ(colony_.rest(), "");
  EXPECT_EQ(colony_.drift("d"), kCDiffers);
  EXPECT_TRUE(colony_.node("d").drift().empty());
}

TEST_F(DriftHazard, is_not_what_is_pending) {
  colony_.node("b").link().set_offline(true);
  colony_.sql("b", "UPDATE t SET x = 'pending'; DELETE FROM u WHERE b < 20; INSERT INTO u VALUES('C', 100, 1)");
  colony_.check_all();
  colony_.node("b").link().set_offline(false);
  // What b cannot send any more it still answers for.
  Faults vanishes;
  vanishes.publish_vanishes = 500;
  colony_.set_faults("b", vanishes);
  colony_.sql("a", "UPDATE t SET x = 'a' WHERE k % 2; UPDATE u SET x = 'a' WHERE b % 3 = 0");
  colony_.check_all();
  expect({});
  EXPECT_EQ(colony_.settle(), "");
  colony_.check_all();
  expect({});
}

TEST_F(DriftHazard, any_node_goes_on_with_the_pass) {
  const auto step = kCheckEvery / 100;
  colony_.check(std::chrono::seconds(0));
  colony_.check(kCheckEvery, {"a"});
  for (int i = 0; i < 3; ++i) colony_.check(step, {"a"});
  colony_.crash("a");
  EXPECT_EQ(questions(CheckKind::kBegins), 1);
  const int asked_by_a = questions();
  for (int i = 0; i < 60; ++i) colony_.check(step, {"b"});
  EXPECT_GT(questions(), asked_by_a);
  EXPECT_EQ(questions(CheckKind::kBegins), 1);
}

TEST_F(DriftHazard, one_node_asks_and_the_others_see_it) {
  for (int i = 0; i < 200; ++i) colony_.check(kCheckEvery / 100);
  for (const Message& message : colony_.log().messages()) {
    const auto entry = decode(message.data, message.origin);
    if (entry && std::holds_alternative<QuestionEntry>(entry->body)) {
      EXPECT_EQ(message.origin, "a");
    }
  }
}

TEST_F(DriftHazard, an_idle_colony_asks_no_more_than_the_pass_needs) {
  for (int i = 0; i < 5; ++i) colony_.check_all();
  EXPECT_LE(questions(CheckKind::kBegins), 10);
  EXPECT_LE(questions(), 10 * 13);  // shares of some 3,000 bytes of rows
}

TEST_F(DriftHazard, a_sidecar_that_knows_no_questions_is_compared_by_verify) {
  colony_.do_not_answer_questions("c");
  colony_.node("c").write_behind_its_back(kOneDiffers);
  colony_.check_all();
  expect({});  // two that agree, and one of which nothing is known
  verify("c");
  expect(kCDiffers);
}

TEST_F(DriftHazard, a_table_that_is_unsure_is_checked_at_once) {
  colony_.node("b").write_behind_its_back("INSERT INTO __colony_unchecked VALUES('t', 0, 'was remade')");
  const auto unsure = [this] { return colony_.rows("b", "SELECT name FROM __colony_unchecked").size(); };
  for (int i = 0; i < 30; ++i) colony_.check(std::chrono::seconds(1));
  EXPECT_EQ(unsure(), 0u);
  EXPECT_EQ(questions(CheckKind::kBegins), 0);
  colony_.node("c").write_behind_its_back(kOneDiffers);
  colony_.node("b").write_behind_its_back("INSERT INTO __colony_unchecked VALUES('t', 0, 'was remade')");
  for (int i = 0; i < 30; ++i) colony_.check(std::chrono::seconds(1));
  EXPECT_EQ(unsure(), 1u);
  expect(kCDiffers);
}

TEST(Hazard, drift_is_nothing_to_be_unsure_of_alone) {
  SmallColony colony(kTables, {"a"});
  colony.node("a").write_behind_its_back("INSERT INTO __colony_unchecked VALUES('t', 0, 'was remade')");
  for (int i = 0; i < 3; ++i) colony.check(std::chrono::seconds(1));
  EXPECT_EQ(colony.rows("a", "SELECT name FROM __colony_unchecked"), Lines{});
}

TEST(Hazard, drift_of_a_base_that_was_taken_over) {
  SmallColony colony(kTables, {"a", "b", "c"});
  colony.sql("a", kRows);
  ASSERT_EQ(colony.settle(), "");
  colony.node("c").write_behind_its_back(kOneDiffers);
  colony.check_all();
  colony.crash("c");
  colony.sql("a", "DELETE FROM u");
  ASSERT_EQ(colony.rest(), "");
  ASSERT_EQ(colony.snapshot("a"), "");
  colony.cut_log();
  colony.start("c");
  colony.apply("c");
  ASSERT_EQ(colony.install("c"), "");
  ASSERT_EQ(colony.rest(), "");
  EXPECT_EQ(colony.drift("c"), kCDiffers);  // as far as is known
  colony.check_all();
  EXPECT_EQ(colony.drift("c"), Lines{});
}

}  // namespace
}  // namespace colony::sim
