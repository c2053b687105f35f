#include "loadtest/workload/arrival.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace batucada::loadtest {
namespace {

std::vector<double> Times(const ArrivalOptions& options, int count) {
  auto arrivals = MakeArrivals(options);
  EXPECT_TRUE(arrivals.ok()) << arrivals.status();
  std::vector<double> times;
  for (int i = 0; i < count; ++i) {
    const std::optional<Duration> next = (*arrivals)->Next();
    if (!next) break;
    times.push_back(ToSeconds(*next));
  }
  return times;
}

struct Moments {
  double mean = 0, variation = 0;  // coefficient of variation
};

Moments OfGaps(const std::vector<double>& times) {
  double sum = 0, squares = 0;
  for (size_t i = 1; i < times.size(); ++i) {
    const double gap = times[i] - times[i - 1];
    EXPECT_GE(gap, 0);
    sum += gap;
    squares += gap * gap;
  }
  const double count = static_cast<double>(times.size() - 1);
  const double mean = sum / count;
  return {.mean = mean, .variation = std::sqrt(std::max(0.0, squares / count - mean * mean)) / mean};
}

TEST(Arrivals, PoissonGapsAreExponential) {
  const std::vector<double> times = Times({.kind = ArrivalKind::kPoisson, .rate = 50, .seed = 1}, 200'000);
  const Moments gaps = OfGaps(times);
  EXPECT_NEAR(gaps.mean, 0.02, 0.0002);
  EXPECT_NEAR(gaps.variation, 1, 0.02);
  // As many gaps are longer than their mean as an exponential distribution has: e^-1.
  int longer = 0;
  for (size_t i = 1; i < times.size(); ++i) longer += times[i] - times[i - 1] > 0.02;
  EXPECT_NEAR(longer / 200'000.0, std::exp(-1), 0.01);
}

TEST(Arrivals, GammaGapsHaveTheWantedBurstiness) {
  for (const double burstiness : {0.1, 0.5, 1.0, 4.0}) {
    const Moments gaps =
        OfGaps(Times({.kind = ArrivalKind::kGamma, .rate = 10, .burstiness = burstiness, .seed = 2}, 400'000));
    EXPECT_NEAR(gaps.mean, 0.1, 0.002) << burstiness;
    EXPECT_NEAR(gaps.variation, 1 / std::sqrt(burstiness), 0.05 / std::sqrt(burstiness)) << burstiness;
  }
}

TEST(Arrivals, ConstantGapsAreEqual) {
  const std::vector<double> times = Times({.kind = ArrivalKind::kConstant, .rate = 3}, 1000);
  for (size_t i = 0; i < times.size(); ++i) EXPECT_NEAR(times[i], static_cast<double>(i) / 3, 1e-6);
}

TEST(Arrivals, RampGoesFromOneRateToTheOther) {
  const std::vector<double> times = Times(
      {.kind = ArrivalKind::kRamp, .rate = 100, .ramp_to = 1000, .ramp_time = std::chrono::seconds(100), .seed = 3},
      80'000);
  const auto between = [&](double from, double to) {
    int count = 0;
    for (const double time : times) count += time >= from && time < to;
    return count / (to - from);
  };
  EXPECT_NEAR(between(0, 10), 145, 15);
  EXPECT_NEAR(between(45, 55), 550, 30);
  EXPECT_NEAR(between(90, 100), 955, 40);
  EXPECT_NEAR(between(100, 120), 1000, 40);  // and stays there
}

TEST(Arrivals, RampDownAndLevel) {
  EXPECT_NEAR(
      Times({.kind = ArrivalKind::kRamp, .rate = 900, .ramp_to = 100, .ramp_time = std::chrono::seconds(10)}, 5000)
          .back(),
      10, 1);
  EXPECT_NEAR(
      Times({.kind = ArrivalKind::kRamp, .rate = 500, .ramp_to = 500, .ramp_time = std::chrono::seconds(10)}, 5001)
          .back(),
      10, 1);
}

TEST(Arrivals, TraceTimesAreScaledFromTheFirst) {
  const auto seconds = [](double s) { return FromSeconds(s); };
  const std::vector<double> times = Times(
      {.kind = ArrivalKind::kTrace, .time_scale = 0.5, .trace = {seconds(2), seconds(2), seconds(5), seconds(12)}}, 10);
  EXPECT_THAT(times, testing::ElementsAre(0, 0, 1.5, 5));
}

TEST(Arrivals, TheSameSeedGivesTheSameTimes) {
  for (const ArrivalKind kind : {ArrivalKind::kPoisson, ArrivalKind::kGamma, ArrivalKind::kRamp}) {
    const ArrivalOptions options = {
        .kind = kind, .rate = 5, .burstiness = 0.3, .ramp_to = 9, .ramp_time = std::chrono::seconds(9), .seed = 7};
    ArrivalOptions other = options;
    other.seed = 8;
    EXPECT_EQ(Times(options, 100), Times(options, 100));
    EXPECT_NE(Times(options, 100), Times(other, 100));
  }
}

TEST(Arrivals, GapsBeyondAllTimeStayAscending) {
  const std::vector<double> times = Times({.kind = ArrivalKind::kConstant, .rate = 1e-9}, 100);
  for (size_t i = 1; i < times.size(); ++i) EXPECT_GE(times[i], std::max(times[i - 1], 9e8)) << i;
}

TEST(Arrivals, RefusesWhatIsNoRate) {
  EXPECT_FALSE(MakeArrivals({.rate = 0}).ok());
  EXPECT_FALSE(MakeArrivals({.rate = -1}).ok());
  EXPECT_FALSE(MakeArrivals({.rate = std::nan("")}).ok());
  EXPECT_FALSE(MakeArrivals({.kind = ArrivalKind::kGamma, .burstiness = 0}).ok());
  EXPECT_FALSE(MakeArrivals({.kind = ArrivalKind::kRamp, .ramp_to = 0}).ok());
  EXPECT_FALSE(MakeArrivals({.kind = ArrivalKind::kTrace}).ok());
}

}  // namespace
}  // namespace batucada::loadtest
