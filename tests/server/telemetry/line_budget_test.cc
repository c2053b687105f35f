#include "server/telemetry/line_budget.h"

#include <gtest/gtest.h>

namespace batucada {
namespace {

TEST(LineBudget, ABurstAndThenSoManyASecond) {
  LineBudget budget(/*per_second=*/2, /*burst=*/3);
  absl::Time now = absl::UnixEpoch();
  int64_t left_out = 7;
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(budget.Take(now, &left_out));
    EXPECT_EQ(left_out, 0);
  }
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(budget.Take(now, &left_out));
  now += absl::Milliseconds(500);
  EXPECT_TRUE(budget.Take(now, &left_out));
  EXPECT_EQ(left_out, 5);
  EXPECT_FALSE(budget.Take(now, &left_out));
  EXPECT_FALSE(budget.Take(now - absl::Hours(1), &left_out)) << "an older one fills nothing";
  now += absl::Hours(1);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(budget.Take(now, &left_out));
    EXPECT_EQ(left_out, i == 0 ? 2 : 0);
  }
  EXPECT_FALSE(budget.Take(now, &left_out)) << "no more than a burst is saved up";
}

}  // namespace
}  // namespace batucada
