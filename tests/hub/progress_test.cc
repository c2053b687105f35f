#include "hub/progress.h"

#include <gtest/gtest.h>

namespace batucada {
namespace {

constexpr int64_t kGiB = int64_t{1} << 30;

TEST(ProgressTest, BarAmountRateAndTimeLeft) {
  EXPECT_EQ(ProgressBar("o/n", kGiB, 4 * kGiB, 256.0 * (1 << 20), 100),
            "o/n  25% [#######                       ] 1.00 GiB of 4.00 GiB, 256 MiB/s, 0:12 left");
  EXPECT_EQ(ProgressBar("o/n", 4 * kGiB, 4 * kGiB, 0, 80),
            "o/n 100% [##############################] 4.00 GiB of 4.00 GiB");
}

TEST(ProgressTest, LongTimesHaveHours) {
  EXPECT_NE(ProgressBar("n", 0, 100 * kGiB, 1 << 20, 200).find("28:26:40 left"), std::string::npos);
}

// The bar gives way, and no line is so wide that a terminal breaks it.
TEST(ProgressTest, FitsItsTerminal) {
  for (int columns = 1; columns < 120; ++columns) {
    EXPECT_LT(ProgressBar("tiiuae/falcon-mamba-7b-instruct", kGiB, 4 * kGiB, 1 << 20, columns).size(),
              static_cast<size_t>(std::max(columns, 1)));
  }
}

TEST(ProgressTest, NothingKnownYet) { EXPECT_EQ(ProgressBar("n", 0, 0, 0, 0), ""); }

}  // namespace
}  // namespace batucada
