// Randomness that depends on the seed and on what it is for, never on the order in which threads ask.
#pragma once

#include <cstdint>
#include <random>

namespace batucada::loadtest {

// SplitMix64's finaliser (Steele, Lea and Flood, OOPSLA 2014): every bit of the input moves every bit of the output.
constexpr uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// What a stream of random numbers is for: streams of different uses are independent.
enum class Use : uint64_t { kArrivals = 1, kLengths, kText, kPrefix, kPrefixText, kThinking, kChaos, kChaosDetail };

// Small and quick to seed; a UniformRandomBitGenerator.
class Random {
 public:
  using result_type = uint64_t;
  Random(uint64_t seed, Use use, uint64_t index = 0)
      : state_(Mix(Mix(Mix(seed) ^ static_cast<uint64_t>(use)) ^ index)) {}

  static constexpr uint64_t min() { return 0; }
  static constexpr uint64_t max() { return ~uint64_t{0}; }
  uint64_t operator()() {
    const uint64_t out = Mix(state_);
    state_ += 0x9e3779b97f4a7c15;
    return out;
  }
  // In [low, high]. REQUIRES: low <= high, both at least 0.
  int64_t Between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>((*this)() % (static_cast<uint64_t>(high - low) + 1));
  }
  // In (0, 1).
  double Unit() { return (static_cast<double>((*this)() >> 11) + 0.5) * 0x1.0p-53; }

 private:
  uint64_t state_;
};

}  // namespace batucada::loadtest
