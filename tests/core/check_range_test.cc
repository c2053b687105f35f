#include "base/check_range.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>

namespace batucada {
namespace {

TEST(CheckRangeTest, BothEndsBelongToIt) {
  EXPECT_TRUE(CheckRange("n", 1, 1, 5).ok());
  EXPECT_TRUE(CheckRange("n", 5, 1, 5).ok());
  EXPECT_EQ(CheckRange("n", 0, 1, 5).message(), "n is 0: it must be 1 to 5");
  EXPECT_EQ(CheckRange("n", 6, 1, 5).message(), "n is 6: it must be 1 to 5");
  EXPECT_TRUE(CheckRange("n", INT64_MAX, 0, INT64_MAX).ok());
}

TEST(CheckRangeTest, NumbersMayHaveAnOpenEndBelow) {
  EXPECT_TRUE(CheckRange("p", 0.0, 0, Lower::kClosed, 1).ok());
  EXPECT_EQ(CheckRange("p", 0.0, 0, Lower::kOpen, 1).message(), "p is 0: it must be more than 0 and at most 1");
  EXPECT_TRUE(CheckRange("p", 1.0, 0, Lower::kOpen, 1).ok());
  EXPECT_EQ(CheckRange("p", 1.5, 0, Lower::kClosed, 1).message(), "p is 1.5: it must be at least 0 and at most 1");
  EXPECT_EQ(CheckRange("p", NAN, 0, Lower::kClosed, 1).message(), "p is nan: it must be at least 0 and at most 1");
}

TEST(CheckRangeTest, WhatIsJustPastABoundDoesNotLookLikeIt) {
  EXPECT_EQ(CheckRange("t", 2.0000001, 0, Lower::kClosed, 2).message(),
            "t is 2.0000001: it must be at least 0 and at most 2");
  const std::string least(CheckRange("t", std::nextafter(2.0, 3.0), 0, Lower::kClosed, 2).message());
  EXPECT_EQ(least, "t is 2.0000000000000004: it must be at least 0 and at most 2");
  EXPECT_EQ(CheckRange("t", -1e-9, 0, Lower::kClosed, 2).message(), "t is -1e-09: it must be at least 0 and at most 2");
}

}  // namespace
}  // namespace batucada
