// SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014): a
// counter whose steps are mixed, so that every bit of it moves every bit of what comes out.
#pragma once

#include <cstdint>

namespace batucada {

inline constexpr uint64_t kSplitMixStep = 0x9E3779B97F4A7C15;

// What a generator in this state yields next; its state is then kSplitMixStep more. Also a good hash of one word.
constexpr uint64_t SplitMix(uint64_t state) {
  uint64_t z = state + kSplitMixStep;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

// The generator itself, a UniformRandomBitGenerator: quick to seed, and every seed, near or far, starts an unrelated
// sequence. Not for secrets.
class SplitMixRandom {
 public:
  using result_type = uint64_t;
  explicit constexpr SplitMixRandom(uint64_t seed) : state_(seed) {}

  static constexpr uint64_t min() { return 0; }
  static constexpr uint64_t max() { return ~uint64_t{0}; }
  constexpr uint64_t operator()() {
    const uint64_t out = SplitMix(state_);
    state_ += kSplitMixStep;
    return out;
  }

 private:
  uint64_t state_;
};

}  // namespace batucada
