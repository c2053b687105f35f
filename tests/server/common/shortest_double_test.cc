#include "server/common/shortest_double.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace batucada {
namespace {

double Reference(float number) { return std::strtod(fmt::format("{}", number).c_str(), nullptr); }

TEST(ShortestDoubleTest, IsTheDoubleOfTheFewestDigits) {
  std::mt19937 random(7);
  const auto check = [](float number) { EXPECT_EQ(ShortestDouble(number), Reference(number)) << number; };
  for (const float number : {0.0F, 1.0F, 0.8F, 0.95F, 1e-5F, 5e-5F, 4.9e-5F, 7.9999F, 7.99999F, 8.0001F, 123456.79F,
                             -0.1F, 3e38F, 1e-45F, std::numeric_limits<float>::infinity()}) {
    check(number);
    check(std::nextafter(number, 0.0F));
    check(std::nextafter(number, 9e9F));
  }
  for (int i = 0; i < 20'000; ++i) {
    check(static_cast<float>(i) / 1e4F);
    check(std::uniform_real_distribution<float>(0, 10)(random));
    check(std::ldexp(static_cast<float>(random()), static_cast<int>(random() % 250) - 140));
  }
  EXPECT_TRUE(std::isnan(ShortestDouble(NAN)));
}

}  // namespace
}  // namespace batucada
