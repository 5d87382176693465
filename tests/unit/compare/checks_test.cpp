// What is noted of questions and answers about rows.
#include "replicator/compare/checks.h"

#include <gtest/gtest.h>

#include "tests/unit/memory_node.h"

namespace colony {
namespace {

using unit::MemoryNode;

std::string shown(const std::set<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += name;
  return text;
}

TEST(Checks, the_odd_ones_are_those_that_are_not_with_the_majority) {
  EXPECT_EQ(shown(odd_ones({})), "");
  EXPECT_EQ(shown(odd_ones({{"a", {1, 1}}})), "");
  EXPECT_EQ(shown(odd_ones({{"a", {1, 1}}, {"b", {1, 1}}})), "");
  EXPECT_EQ(shown(odd_ones({{"a", {1, 1}}, {"b", {2, 1}}})), "ab");
  EXPECT_EQ(shown(odd_ones({{"a", {1, 1}}, {"b", {1, 2}}})), "ab");  // the same sum of other rows
  EXPECT_EQ(shown(odd_ones({{"a", {1, 1}}, {"b", {2, 1}}, {"c", {1, 1}}})), "b");
  EXPECT_EQ(shown(odd_ones({{"a", {1, 1}}, {"b", {2, 1}}, {"c", {3, 1}}})), "abc");
  EXPECT_EQ(shown(odd_ones({{"a", {1, 1}}, {"b", {2, 1}}, {"c", {1, 1}}, {"d", {2, 1}}})), "abcd");
}

class ChecksTest : public testing::Test {
 protected:
  void ask(std::uint64_t position, const std::string& low = "", const std::string& high = "") {
    const QuestionEntry question{position, CheckKind::kApart, {{"t", 0, 1, low, high}}};
    records_.ask(Sequence(position), static_cast<std::int64_t>(position), question);
  }
  void answer(const std::string& node, std::uint64_t position, std::uint64_t hash) {
    ProofEntry proof;
    proof.id = proof.position == Sequence() ? position : 0;
    proof.position = Sequence(position);
    proof.tables = {{"t", hash, 1}};
    records_.answer(node, static_cast<std::int64_t>(position) + 5, proof);
  }
  std::string drift() {
    std::string text;
    for (const Drift& drift : drift_of(records_.findings())) {
      text += to_text(drift) + " @" + std::to_string(drift.position.value()) + " since " +
              std::to_string(drift.since_ns) + "\n";
    }
    return text;
  }

  MemoryNode node_{"CREATE TABLE t(k INTEGER PRIMARY KEY)"};
  CheckRecords records_{node_.db()};
};

TEST_F(ChecksTest, answers_to_what_was_not_asked_are_not_noted) {
  answer("a", 10, 1);
  answer("b", 10, 2);
  EXPECT_EQ(drift(), "");
  EXPECT_EQ(node_.rows("__colony_answers"), "");
}

TEST_F(ChecksTest, a_difference_is_known_since_it_was_found_first) {
  ask(10);
  answer("a", 10, 1);
  EXPECT_EQ(drift(), "");
  answer("b", 10, 2);
  answer("c", 10, 1);
  EXPECT_EQ(drift(), "table t: b has other rows than a, c @10 since 15\n");
  ask(20);
  answer("a", 20, 3);
  answer("c", 20, 3);
  EXPECT_EQ(drift(), "table t: b has other rows than a, c @10 since 15\n");  // b has not answered
  answer("b", 20, 4);
  EXPECT_EQ(drift(), "table t: b has other rows than a, c @20 since 15\n");
  ask(30);
  for (const char* node : {"a", "c", "b"}) answer(node, 30, 5);
  EXPECT_EQ(drift(), "");
}

TEST_F(ChecksTest, a_late_answer_counts) {
  ask(10);
  answer("a", 10, 1);
  for (std::uint64_t position = 11; position < 30; ++position) ask(position, "x");
  answer("b", 10, 2);
  EXPECT_NE(drift(), "");
}

TEST_F(ChecksTest, what_is_kept_is_bounded) {
  for (std::uint64_t position = 1; position < 500; ++position) {
    ask(position, std::to_string(position), std::to_string(position + 1));
    answer("a", position, 1);
    answer("b", position, 2);
  }
  EXPECT_LE(records_.findings().size(), 17u);
  EXPECT_LE(node_.db().query_integer("SELECT count(*) FROM __colony_checks"), 50);
  EXPECT_LE(node_.db().query_integer("SELECT count(*) FROM __colony_answers"), 100);
}

TEST_F(ChecksTest, a_file_of_an_older_format_knows_nothing) {
  Database(node_.path(), Database::Mode::kReadWrite).execute("DROP TABLE __colony_answers");
  CheckRecords records(node_.db());
  records.ask(Sequence(1), 1, BarrierEntry{1});
  records.answer("a", 1, ProofEntry{1, Sequence(1), 0, {{"t", 1, 1}}});
  records.forget("a");
  EXPECT_TRUE(records.findings().empty());
}

}  // namespace
}  // namespace colony
