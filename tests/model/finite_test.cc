// Every NaN and infinity is found, wherever it lies, and nothing else is.
#include "engine/model/finite.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "engine/model/tensor_source.h"

namespace batucada {
namespace {

template <typename T>
HostTensor Row(const std::vector<T>& values, DType dtype) {
  return {.data = values.data(), .dtype = dtype, .rows = 1, .cols = static_cast<int64_t>(values.size())};
}

TEST(FiniteTest, KnowsEverySixteenBitNumber) {
  for (const DType dtype : {DType::kBf16, DType::kF16}) {
    for (uint32_t bits = 0; bits < 0x10000; ++bits) {
      const std::vector<uint16_t> one = {static_cast<uint16_t>(bits)};
      const bool finite = std::isfinite(ToFloats(Row(one, dtype))[0]);
      ASSERT_EQ(FindNotFinite(Row(one, dtype)).has_value(), !finite) << NameOf(dtype) << " " << bits;
      const std::vector<uint16_t> four = {0x1234, static_cast<uint16_t>(bits), 0x8001, 0x0001};
      ASSERT_EQ(FindNotFinite(Row(four, dtype)).value_or(-1), finite ? -1 : 1) << NameOf(dtype) << " " << bits;
    }
  }
}

TEST(FiniteTest, KnowsSinglePrecision) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  const std::vector<float> finite = {0, -0.F, 1, -1, kLargest, -kLargest, 1e-45F, -1e-45F};
  EXPECT_EQ(FindNotFinite(Row(finite, DType::kF32)), std::nullopt);
  for (const uint32_t bits : {0x7F800000U, 0xFF800000U, 0x7F800001U, 0xFFC00000U, 0x7FFFFFFFU}) {
    for (size_t place = 0; place < finite.size(); ++place) {
      std::vector<float> values = finite;
      values[place] = std::bit_cast<float>(bits);
      EXPECT_EQ(FindNotFinite(Row(values, DType::kF32)), static_cast<int64_t>(place));
    }
  }
}

TEST(FiniteTest, FindsTheFirstOfALongTensor) {
  std::mt19937 random(7);
  std::vector<uint16_t> values(200'003);
  for (uint16_t& value : values) value = static_cast<uint16_t>(random() & 0xBFFF);  // below 2
  EXPECT_EQ(FindNotFinite(Row(values, DType::kBf16)), std::nullopt);
  for (const size_t place : {size_t{200'002}, size_t{150'000}, size_t{32'768}, size_t{32'767}, size_t{3}, size_t{0}}) {
    values[place] = 0x7FC0;
    EXPECT_EQ(FindNotFinite(Row(values, DType::kBf16)), static_cast<int64_t>(place));
  }
}

TEST(FiniteTest, NothingIsFinite) { EXPECT_EQ(FindNotFinite(Row(std::vector<float>(), DType::kF32)), std::nullopt); }

}  // namespace
}  // namespace batucada
