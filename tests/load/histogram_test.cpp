#include "tests/load/generator/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace load {
namespace {

TEST(Histogram, knows_every_share_to_better_than_one_percent) {
  std::mt19937_64 random(1);
  std::vector<std::int64_t> values;
  Histogram histogram;
  for (int n = 0; n < 100'000; ++n) {
    values.push_back(static_cast<std::int64_t>(std::exp(std::uniform_real_distribution<>(0, 27)(random))));
    histogram.record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double share : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto exact = static_cast<double>(values[static_cast<std::size_t>(std::ceil(share * 1e5)) - 1]);
    EXPECT_GE(static_cast<double>(histogram.at(share)), exact);
    EXPECT_LE(static_cast<double>(histogram.at(share)), exact * 1.01);
  }
  EXPECT_EQ(histogram.at(1), values.back());
}

TEST(Histogram, takes_what_is_below_and_above_its_range) {
  Histogram histogram;
  EXPECT_EQ(histogram.at(0.99), 0);
  histogram.record(-5);
  EXPECT_EQ(histogram.at(1), 0);
  histogram.record(std::numeric_limits<std::int64_t>::max());
  EXPECT_GT(histogram.at(1), 3'600'000'000'000);
}

TEST(Histogram, adds_another) {
  Histogram one, other;
  one.record(1000);
  other.record(3000);
  one.add(other);
  EXPECT_EQ(one.count(), 2U);
  EXPECT_EQ(one.max_ns(), 3000);
  EXPECT_DOUBLE_EQ(one.mean_ns(), 2000);
  one.clear();
  EXPECT_EQ(one.count(), 0U);
}

}  // namespace
}  // namespace load
