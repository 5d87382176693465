#include "replicator/cluster/divergence_detector.h"

#include <gtest/gtest.h>

#include "replicator/log/entry.h"
#include "replicator/log/error.h"

namespace colony {
namespace {

class DivergenceDetectorTest : public testing::Test {
 protected:
  DivergenceDetectorTest() { divergence_.begin(Sequence(), 0); }

  void absorb(std::uint64_t messages) {
    for (std::uint64_t i = 0; i < messages; ++i) {
      latest_ = {latest_.position.next(), chained_hash(latest_.chain, latest_.position.value())};
      divergence_.absorbed(latest_);
    }
  }
  ChainedPosition another() const { return {latest_.position, latest_.chain + 1}; }

  DivergenceDetector divergence_;
  ChainedPosition latest_;
};

TEST_F(DivergenceDetectorTest, who_agrees_goes_on) {
  absorb(3);
  const ChainedPosition there = latest_;
  absorb(4);
  divergence_.hear("b", there);
  divergence_.hear("c", latest_);
  EXPECT_NO_THROW(divergence_.check());
}

TEST_F(DivergenceDetectorTest, who_is_alone_with_its_log_halts_and_stays_halted) {
  absorb(3);
  const ChainedPosition there = another();
  absorb(2);
  divergence_.hear("b", there);
  EXPECT_THROW(divergence_.check(), Halt);
  divergence_.hear("b", latest_);
  EXPECT_THROW(divergence_.check(), Halt);
}

TEST_F(DivergenceDetectorTest, the_majority_goes_on) {
  absorb(3);
  divergence_.hear("b", latest_);
  divergence_.hear("c", another());
  EXPECT_NO_THROW(divergence_.check());
  divergence_.hear("d", another());  // two against two: nobody knows
  EXPECT_THROW(divergence_.check(), Halt);
}

TEST_F(DivergenceDetectorTest, who_has_gone_has_no_say) {
  absorb(3);
  divergence_.hear("b", latest_);
  divergence_.hear("c", another());
  divergence_.forget("c");
  divergence_.hear("d", another());
  EXPECT_NO_THROW(divergence_.check());
}

TEST_F(DivergenceDetectorTest, places_that_were_not_reached_or_are_forgotten_are_not_compared) {
  absorb(3);
  divergence_.hear("b", {Sequence(4), 1});
  EXPECT_NO_THROW(divergence_.check());
  const ChainedPosition early{Sequence(1), 1};
  absorb(100'000);
  divergence_.hear("b", early);
  EXPECT_NO_THROW(divergence_.check());
}

TEST_F(DivergenceDetectorTest, an_installed_snapshot_begins_anew) {
  absorb(3);
  divergence_.hear("b", another());
  divergence_.begin(Sequence(10), 77);
  EXPECT_NO_THROW(divergence_.check());
  divergence_.hear("b", {Sequence(10), 77});
  EXPECT_NO_THROW(divergence_.check());
  divergence_.hear("b", {Sequence(10), 78});
  EXPECT_THROW(divergence_.check(), Halt);
}

TEST_F(DivergenceDetectorTest, without_a_chain_nothing_is_compared) {
  divergence_.begin(Sequence(10), std::nullopt);
  divergence_.absorbed({Sequence(11), 1});
  divergence_.hear("b", {Sequence(11), 2});
  EXPECT_NO_THROW(divergence_.check());
}

}  // namespace
}  // namespace colony
