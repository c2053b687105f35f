#include "base/human_bytes.h"

#include <gtest/gtest.h>

namespace batucada {
namespace {

TEST(HumanBytes, ThreeDigitsAndAUnit) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(1023), "1023 B");
  EXPECT_EQ(HumanBytes(1024), "1.00 KiB");
  EXPECT_EQ(HumanBytes(1536), "1.50 KiB");
  EXPECT_EQ(HumanBytes(72 << 20), "72.0 MiB");
  EXPECT_EQ(HumanBytes(int64_t{140} << 30), "140 GiB");
  EXPECT_EQ(HumanBytes(int64_t{3} << 50), "3.00 PiB");
}

}  // namespace
}  // namespace batucada
