// Large transactions, put together.
#include "replicator/apply/planned_changesets.h"

#include <gtest/gtest.h>

#include "tests/unit/memory_node.h"

namespace colony {
namespace {

class PlannedChangesetsTest : public testing::Test {
 protected:
  PlannedTransaction transaction(std::vector<std::string_view> beginning, std::string_view end) {
    return {ChunkNumber(9), 5, false, false, std::move(beginning), end};
  }

  unit::MemoryNode node_{"CREATE TABLE t(k INTEGER PRIMARY KEY, a)", "self"};
  NodeFile file_{node_.db()};
  Message message_{Sequence(9), "b", "", 0};
  PlannedMessage planned_;
};

TEST_F(PlannedChangesetsTest, small_transaction_stays_where_it_is) {
  const std::string small = "small";
  planned_.message = &message_;
  planned_.transactions.push_back(transaction({}, small));
  const PlannedChangesets changesets(file_, planned_);
  EXPECT_EQ(changesets.all()[0].bytes.data(), small.data());
}

TEST_F(PlannedChangesetsTest, two_large_transactions_keep_their_bytes_when_they_are_moved) {
  const std::string large(100'000, 'l'), larger(200'000, 'm');
  planned_.message = &message_;
  planned_.transactions.push_back(transaction({large}, large));
  planned_.transactions.push_back(transaction({larger}, larger));
  std::vector<PlannedChangesets> changesets;
  changesets.emplace_back(file_, planned_);
  changesets.emplace_back(file_, planned_);
  EXPECT_EQ(changesets[0].all()[0].bytes, large + large);
  EXPECT_EQ(changesets[0].all()[1].bytes, larger + larger);
}

TEST_F(PlannedChangesetsTest, what_the_file_keeps_comes_first) {
  file_.add_fragment("b", ChunkNumber(4), "four-");
  file_.add_fragment("b", ChunkNumber(5), "five-");
  file_.add_fragment("c", ChunkNumber(5), "of another-");
  planned_.message = &message_;
  planned_.transactions.push_back(transaction({"six-"}, "seven"));
  planned_.transactions.back().begins_in_file = true;
  const PlannedChangesets changesets(file_, planned_);
  EXPECT_EQ(changesets.all()[0].bytes, "four-five-six-seven");
}

}  // namespace
}  // namespace colony
