// What other threads find is what one finds, whichever tensor is asked for first.
#include "engine/model/finite_ahead.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "engine/model/finite.h"

namespace batucada {
namespace {

// Rows of tensors of bf16 numbers, some of which have numbers that are none; the longest have several pieces.
std::vector<std::vector<uint16_t>> RandomTensors(uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::vector<uint16_t>> tensors;
  for (const size_t size :
       {size_t{1}, size_t{0}, size_t{1000}, size_t{2'097'152}, size_t{2'097'153}, size_t{7'000'001}}) {
    std::vector<uint16_t>& values = tensors.emplace_back(size, uint16_t{0x3F80});
    const size_t bad = size == 0 ? 0 : random() % 4;
    for (size_t i = 0; i < bad; ++i) values[random() % size] = 0x7F80;
  }
  return tensors;
}

TEST(FiniteAheadTest, FindsWhatOneThreadFinds) {
  for (const int threads : {0, 1, 4}) {
    for (uint32_t seed = 1; seed <= 5; ++seed) {
      const std::vector<std::vector<uint16_t>> tensors = RandomTensors(seed);
      std::vector<std::optional<int64_t>> expected;
      FiniteAhead ahead(threads);
      for (const std::vector<uint16_t>& values : tensors) {
        const HostTensor tensor{
            .data = values.data(), .dtype = DType::kBf16, .rows = 1, .cols = static_cast<int64_t>(values.size())};
        EXPECT_EQ(ahead.Add(tensor), expected.size());
        expected.push_back(FindNotFinite(tensor));
      }
      std::vector<size_t> order(tensors.size());
      for (size_t i = 0; i < order.size(); ++i) order[i] = i;
      std::shuffle(order.begin(), order.end(), std::mt19937(seed));
      for (const size_t i : order) EXPECT_EQ(ahead.FirstBad(i), expected[i]) << threads << " threads, tensor " << i;
      EXPECT_EQ(ahead.FirstBad(0), expected[0]) << "asked twice";
    }
  }
}

TEST(FiniteAheadTest, EndsWithWorkLeft) {
  const std::vector<uint16_t> values(9'000'000, uint16_t{0});
  FiniteAhead ahead(2);
  for (int i = 0; i < 8; ++i) {
    ahead.Add({.data = values.data(), .dtype = DType::kBf16, .rows = 3, .cols = 3'000'000});
  }
  EXPECT_EQ(ahead.FirstBad(1), std::nullopt);
}

}  // namespace
}  // namespace batucada
