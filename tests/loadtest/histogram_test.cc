#include "loadtest/measure/histogram.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace batucada::loadtest {
namespace {

TEST(Histogram, IsEmptyAtFirst) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0);
  EXPECT_EQ(histogram.Percentile(99), Duration(0));
  EXPECT_EQ(histogram.mean_ns(), 0);
  EXPECT_EQ(histogram.max(), Duration(0));
}

// Percentiles against sorting, for values over nine orders of magnitude.
TEST(Histogram, AgreesWithSorting) {
  std::mt19937_64 random(20);
  std::lognormal_distribution<double> values(std::log(1e6), 3);
  Histogram histogram;
  std::vector<int64_t> sorted;
  long double sum = 0;
  for (int i = 0; i < 100'000; ++i) {
    sorted.push_back(static_cast<int64_t>(values(random)));
    histogram.Record(Duration(sorted.back()));
    sum += sorted.back();
  }
  std::sort(sorted.begin(), sorted.end());
  for (const int thousandths : {0, 10, 100, 500, 900, 950, 990, 999, 1000}) {
    const double percent = thousandths / 10.0;
    const auto rank = std::max<size_t>(1, thousandths * sorted.size() / 1000);
    const auto exact = static_cast<double>(sorted[rank - 1]);
    EXPECT_NEAR(histogram.Percentile(percent).count(), exact, exact * 0.001 + 1) << percent;
  }
  const auto mean = static_cast<double>(sum / sorted.size());
  EXPECT_NEAR(histogram.mean_ns(), mean, mean * 1e-9);
  EXPECT_EQ(histogram.max().count(), sorted.back());
  EXPECT_EQ(histogram.min().count(), sorted.front());
}

TEST(Histogram, SmallValuesAreExact) {
  Histogram histogram;
  for (int i = 1; i <= 1000; ++i) histogram.Record(Duration(i));
  EXPECT_EQ(histogram.Percentile(50).count(), 500);
  EXPECT_EQ(histogram.Percentile(99).count(), 990);
  EXPECT_EQ(histogram.mean_ns(), 500.5);
  EXPECT_NEAR(histogram.stddev_ns(), std::sqrt((1000.0 * 1000 - 1) / 12), 1e-6);
}

// Whatever the bucket, one value is itself at every percentile, and so are many of the same.
TEST(Histogram, OneValueIsExactHoweverOften) {
  for (const int64_t ns : {int64_t{1}, int64_t{2049}, int64_t{123'456'789}, int64_t{5'000'000'000'001}}) {
    Histogram histogram;
    for (int times = 0; times < 3; ++times) {
      histogram.Record(Duration(ns));
      for (const double percent : {0.0, 50.0, 99.0, 100.0}) EXPECT_EQ(histogram.Percentile(percent).count(), ns);
      EXPECT_EQ(histogram.mean_ns(), ns);
      EXPECT_NEAR(histogram.stddev_ns(), 0, ns * 1e-8);
    }
  }
}

// The nearest rank, without a rounding that asks for one sample too many: 7% of 100 are 7.
TEST(Histogram, PercentilesAreTheNearestRank) {
  Histogram histogram;
  for (int i = 1; i <= 100; ++i) histogram.Record(Duration(i));
  for (int percent = 1; percent <= 100; ++percent) EXPECT_EQ(histogram.Percentile(percent).count(), percent);
}

TEST(Histogram, MergingEqualsRecordingTogether) {
  std::mt19937_64 random(21);
  Histogram one, other, both;
  for (int i = 0; i < 10'000; ++i) {
    const Duration value(random() % 1'000'000'000);
    (i % 3 == 0 ? one : other).Record(value);
    both.Record(value);
  }
  one.Merge(other);
  EXPECT_EQ(one.count(), both.count());
  EXPECT_EQ(one.min(), both.min());
  EXPECT_EQ(one.max(), both.max());
  for (const int percent : {1, 50, 99}) EXPECT_EQ(one.Percentile(percent), both.Percentile(percent));
  EXPECT_DOUBLE_EQ(one.mean_ns(), both.mean_ns());
}

TEST(Histogram, TakesWhatIsOutOfRange) {
  Histogram histogram;
  histogram.Record(Duration(-5));
  histogram.Record(std::chrono::hours(1000));
  EXPECT_EQ(histogram.Percentile(1), Duration(0));
  EXPECT_EQ(histogram.max(), std::chrono::hours(1000));
  EXPECT_GE(histogram.Percentile(100), std::chrono::hours(2));
  uint64_t total = 0;
  for (const Histogram::Bucket& bucket : histogram.Buckets()) total += bucket.count;
  EXPECT_EQ(total, 2);
}

}  // namespace
}  // namespace batucada::loadtest
