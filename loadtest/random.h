// Randomness that depends on the seed and on what it is for, never on the order in which threads ask.
#pragma once

#include <cstdint>
#include <random>

#include "base/splitmix.h"

namespace batucada::loadtest {

// What a stream of random numbers is for: streams of different uses are independent.
enum class Use : uint64_t { kArrivals = 1, kLengths, kText, kPrefix, kPrefixText, kThinking, kChaos, kChaosDetail };

class Random : public SplitMixRandom {
 public:
  Random(uint64_t seed, Use use, uint64_t index = 0)
      : SplitMixRandom(SplitMix(SplitMix(SplitMix(seed) ^ static_cast<uint64_t>(use)) ^ index)) {}

  // In [low, high]. REQUIRES: low <= high, both at least 0.
  int64_t Between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>((*this)() % (static_cast<uint64_t>(high - low) + 1));
  }
  // In (0, 1).
  double Unit() { return (static_cast<double>((*this)() >> 11) + 0.5) * 0x1.0p-53; }
};

}  // namespace batucada::loadtest
