// From which node a colony goes on, when its log has forgotten.
#include "replicator/recovery/recovery_decision.h"

#include <gtest/gtest.h>

namespace colony {
namespace {

using Kind = RecoveryDecision::Kind;

Incarnation life(const std::string& node) { return Incarnation(static_cast<std::uint64_t>(node[0])); }

// {"a", 5}: up to chunk 5 of a; a node's name in capitals is one that has left.
RecoveryReport report(const std::string& node,
                      const std::vector<std::pair<std::string, std::uint64_t>>& version_vector) {
  RecoveryReport report;
  report.node = node;
  report.incarnation = life(node);
  report.epoch = "old";
  for (const auto& [name, chunk] : version_vector) {
    const bool has_left = std::isupper(static_cast<unsigned char>(name[0])) != 0;
    const std::string origin(1, static_cast<char>(std::tolower(static_cast<unsigned char>(name[0]))));
    report.version_vector[life(origin)] = {origin, ChunkNumber(chunk), has_left};
  }
  return report;
}

std::string decided(const std::vector<RecoveryReport>& reports, const std::set<std::string>& without = {},
                    const std::string& anew = "", const VersionVector& live = {}) {
  const RecoveryDecision decision = decide_recovery(reports, live, without, anew);
  std::string nodes;
  for (const std::string& node : decision.nodes) nodes += " " + node;
  switch (decision.kind) {
    case Kind::kHere:
      return "here" + nodes;
    case Kind::kElsewhere:
      return "elsewhere" + nodes;
    case Kind::kUnheard:
      return "unheard" + nodes;
    case Kind::kForked:
      return "forked" + nodes + ": " + shown(decision.first_more) + " / " + shown(decision.second_more);
  }
  return "";
}

TEST(RecoveryDecision, who_has_all_that_any_has_is_the_one) {
  EXPECT_EQ(decided({report("a", {{"a", 5}, {"b", 3}}), report("b", {{"a", 4}, {"b", 3}})}), "here a");
  EXPECT_EQ(decided({report("b", {{"a", 4}, {"b", 3}}), report("a", {{"a", 5}, {"b", 3}})}), "elsewhere a");
}

TEST(RecoveryDecision, whom_to_trust_is_not_forgotten) {
  const auto with_keys = [](RecoveryReport report, std::uint64_t version) {
    report.version_vector[kKeysEntry] = {"", ChunkNumber(version), true};
    return report;
  };
  const RecoveryReport a = report("a", {{"a", 5}, {"b", 3}}), b = report("b", {{"a", 5}, {"b", 3}});
  EXPECT_EQ(decided({with_keys(b, 1), with_keys(a, 2)}), "elsewhere a");
  EXPECT_EQ(decided({b, with_keys(a, 1)}), "elsewhere a");
  EXPECT_EQ(decided({with_keys(a, 2), b}), "here a");
  const RecoveryReport more = report("b", {{"a", 5}, {"b", 4}});
  EXPECT_EQ(decided({with_keys(more, 1), with_keys(a, 2)}), "forked b a: 1 of node b / 1 of the changes to the keys");
}

TEST(RecoveryDecision, of_equals_it_is_the_one_at_hand) {
  EXPECT_EQ(decided({report("b", {{"a", 5}, {"b", 3}}), report("a", {{"a", 5}, {"b", 3}})}), "here b");
}

TEST(RecoveryDecision, all_members_must_be_heard_but_those_that_have_left) {
  EXPECT_EQ(decided({report("a", {{"a", 5}, {"b", 3}})}), "unheard b");
  EXPECT_EQ(decided({report("a", {{"a", 5}, {"b", 3}})}, {"b"}), "here a");
  EXPECT_EQ(decided({report("a", {{"a", 5}, {"B", 3}})}), "here a");
  // Whom only another one knows.
  EXPECT_EQ(decided({report("a", {{"a", 5}, {"b", 3}}), report("b", {{"a", 5}, {"b", 3}, {"c", 0}})}), "unheard c");
  // Whom nobody knows yet, and who is there.
  EXPECT_EQ(decided({report("a", {{"a", 5}})}, {}, "", {{life("e"), {"e", ChunkNumber(), false}}}), "unheard e");
}

TEST(RecoveryDecision, forked_histories_are_named) {
  EXPECT_EQ(decided({report("a", {{"a", 5}, {"c", 1}}), report("c", {{"a", 3}, {"c", 2}})}),
            "forked a c: 2 of node a / 1 of node c");
  const std::vector<RecoveryReport> three = {report("b", {{"a", 3}, {"b", 1}, {"c", 1}}),
                                             report("a", {{"a", 5}, {"b", 1}, {"c", 1}}),
                                             report("c", {{"a", 3}, {"b", 1}, {"c", 2}})};
  EXPECT_EQ(decided(three), "forked a c: 2 of node a / 1 of node c");
  EXPECT_EQ(decided(three, {"c"}), "elsewhere a");
  EXPECT_EQ(decided(three, {"a"}), "elsewhere c");
}

TEST(RecoveryDecision, a_leave_counts_as_what_was_absorbed) {
  EXPECT_EQ(decided({report("a", {{"a", 5}, {"b", 3}, {"D", 2}}), report("b", {{"a", 5}, {"b", 3}, {"d", 2}})}),
            "here a");
  EXPECT_EQ(decided({report("a", {{"a", 5}, {"b", 3}, {"D", 2}}), report("b", {{"a", 5}, {"b", 3}, {"d", 3}})}),
            "forked a b: the leave of node d / 1 of node d");
}

TEST(RecoveryDecision, a_recovery_that_has_begun_is_ended_where_it_was) {
  RecoveryReport moved = report("b", {{"a", 5}, {"b", 3}});
  moved.epoch = "new";
  EXPECT_EQ(decided({report("a", {{"a", 5}, {"b", 3}}), moved}, {}, "new"), "elsewhere b");
  EXPECT_EQ(decided({moved, report("a", {{"a", 5}, {"b", 3}})}, {}, "new"), "here b");
  EXPECT_EQ(decided({report("a", {{"a", 5}, {"b", 3}}), moved}, {"b"}, "new"), "here a");
}

TEST(RecoveryDecision, trouble_is_another_epoch_end_or_entry) {
  RecoveryReport report;
  report.epoch = "e";
  report.position = Sequence(7);
  report.position_hash = 99;
  LogInfo log;
  log.epoch = "e";
  log.last = Sequence(7);
  EXPECT_EQ(trouble_with_log(report, log, 99), "");
  EXPECT_EQ(trouble_with_log(report, log, std::nullopt), "") << "cut";
  EXPECT_EQ(trouble_with_log(report, log, 98), "has another entry at position 7");
  log.last = Sequence(6);
  EXPECT_EQ(trouble_with_log(report, log, std::nullopt), "ends at 6, before position 7");
  log.epoch = "f";
  EXPECT_EQ(trouble_with_log(report, log, std::nullopt), "is another one");
  report.epoch = "";
  EXPECT_EQ(trouble_with_log(report, log, std::nullopt), "") << "it has met none";
}

}  // namespace
}  // namespace colony
