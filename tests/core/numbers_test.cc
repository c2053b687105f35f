// Arithmetic that stands in base once for all rooms.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/count_bytes.h"
#include "base/first_outside.h"
#include "base/float16.h"
#include "base/rounding.h"
#include "base/splitmix.h"

namespace batucada {
namespace {

TEST(RoundingTest, RoundsUp) {
  static_assert(CeilDiv(0, 7) == 0 && CeilDiv(1, 7) == 1 && CeilDiv(7, 7) == 1 && CeilDiv(8, 7) == 2);
  static_assert(RoundUp(0, 256) == 0 && RoundUp(1, 256) == 256 && RoundUp(256, 256) == 256 && RoundUp(257, 256) == 512);
  EXPECT_EQ(RoundUp(int64_t{1} << 40 | 1, 16), (int64_t{1} << 40) + 16) << "in the size of what is rounded";
  for (int64_t n = 0; n < 300; ++n) {
    for (int64_t d = 1; d < 40; ++d) {
      const int64_t up = CeilDiv(n, d);
      EXPECT_TRUE(up * d >= n && (up - 1) * d < n) << n << " / " << d;
      EXPECT_EQ(RoundUp(n, d), up * d);
    }
  }
}

TEST(CountBytesTest, CountsWhatALoopWould) {
  std::mt19937 random(1);
  constexpr std::string_view kWanted = ",:[{";
  for (int i = 0; i < 3000; ++i) {
    std::string text(random() % 5000, ' ');
    const uint32_t dense = random() % 4;
    for (char& c : text) c = random() % 4 < dense ? kWanted[random() % 4] : static_cast<char>(random() % 256);
    const auto wanted = [&](char c) { return kWanted.find(c) != kWanted.npos; };
    EXPECT_EQ(CountBytes(text, ',', ':', '[', '{'), std::count_if(text.begin(), text.end(), wanted));
    EXPECT_EQ(CountBytes(text, '\xff'), std::count(text.begin(), text.end(), '\xff'));
  }
}

TEST(FirstOutsideTest, FindsWhatALoopWould) {
  std::mt19937 random(1);
  constexpr int32_t kSize = 50'304;
  for (int i = 0; i < 3000; ++i) {
    std::vector<int32_t> ids(random() % 300);
    for (int32_t& id : ids) id = static_cast<int32_t>(random() % kSize);
    for (uint32_t bad = random() % 3; bad > 0 && !ids.empty(); --bad) {
      constexpr int32_t kBad[] = {-1, kSize, INT32_MIN, INT32_MAX};
      ids[random() % ids.size()] = kBad[random() % std::size(kBad)];
    }
    const auto outside = std::find_if(ids.begin(), ids.end(), [](int32_t id) { return id < 0 || id >= kSize; });
    EXPECT_EQ(FirstOutside(ids, kSize), static_cast<size_t>(outside - ids.begin()));
  }
  EXPECT_EQ(FirstOutside(std::vector<int32_t>{0, kSize - 1}, kSize), 2);
}

TEST(Float16Test, EveryFp16IsItsValue) {
  for (uint32_t bits = 0; bits < 1 << 16; ++bits) {
    const float value = FloatFromFp16(static_cast<uint16_t>(bits));
    const int exponent = static_cast<int>(bits >> 10 & 31);
    const auto mantissa = static_cast<float>(bits & 1023);
    const float sign = bits >> 15 != 0 ? -1.0F : 1.0F;
    if (exponent == 31 && mantissa > 0) {
      EXPECT_TRUE(std::isnan(value)) << bits;
      continue;
    }
    const float expected = exponent == 31  ? sign * std::numeric_limits<float>::infinity()
                           : exponent == 0 ? sign * std::ldexp(mantissa, -24)
                                           : sign * std::ldexp(1024 + mantissa, exponent - 25);
    EXPECT_EQ(value, expected) << bits;
    EXPECT_EQ(std::signbit(value), std::signbit(expected)) << bits;
  }
}

TEST(Float16Test, EveryBf16ComesBack) {
  for (uint32_t bits = 0; bits < 1 << 16; ++bits) {
    const float value = FloatFromBf16(static_cast<uint16_t>(bits));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(FloatFromBf16(Bf16FromFloat(value)))) << bits;
    } else {
      EXPECT_EQ(Bf16FromFloat(value), bits);
    }
  }
}

TEST(Float16Test, Bf16IsTheNearestAndOfTwoTheEvenOne) {
  std::mt19937 random(1);
  const auto check = [](float value) {
    const uint16_t rounded = Bf16FromFloat(value);
    const auto below = static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16);  // towards zero
    const auto above = static_cast<uint16_t>(below + 1);
    const double down = std::abs(double{value} - FloatFromBf16(below));
    const double up = std::abs(double{FloatFromBf16(above)} - value);
    const uint16_t expected = down < up || (down == up && below % 2 == 0) ? below : above;
    EXPECT_EQ(rounded, expected) << value;
  };
  for (int i = 0; i < 100'000; ++i) {
    check(std::ldexp(static_cast<float>(random()) / 4e9F - 0.5F, static_cast<int>(random() % 60) - 30));
    check(std::bit_cast<float>(static_cast<uint32_t>((random() & 0x7eff0000) | 0x8000)));  // between two
  }
  EXPECT_EQ(Bf16FromFloat(std::numeric_limits<float>::infinity()), 0x7f80);
  EXPECT_TRUE(std::isnan(FloatFromBf16(Bf16FromFloat(std::bit_cast<float>(0x7f800001)))));
}

// What the authors' generator yields.
TEST(SplitMixTest, PublishedAnswers) {
  uint64_t state = 1234567;
  for (const uint64_t expected : {6457827717110365317U, 3203168211198807973U, 9817491932198370423U,
                                  4593380528125082431U, 16408922859458223821U}) {
    EXPECT_EQ(SplitMix(state), expected);
    state += kSplitMixStep;
  }
  EXPECT_EQ(SplitMix(0), 0xE220A8397B1DCDAFU);
}

}  // namespace
}  // namespace batucada
