// What the simulations' programs share: so many lives of so many steps, from a seed on.
#pragma once

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>

#include "absl/strings/numbers.h"

namespace batucada::sim {

struct Lives {
  uint64_t steps = 1000, lives = 1000, seed = 1;
};

// From --seed N, --steps N and --lives N. Nothing if they are written wrongly, which is told.
inline std::optional<Lives> ReadLives(int count, char** arguments, const char* program, Lives read = {}) {
  for (int i = 1; i < count; i += 2) {
    uint64_t* const value = std::strcmp(arguments[i], "--seed") == 0    ? &read.seed
                            : std::strcmp(arguments[i], "--steps") == 0 ? &read.steps
                            : std::strcmp(arguments[i], "--lives") == 0 ? &read.lives
                                                                        : nullptr;
    if (value == nullptr || i + 1 == count || !absl::SimpleAtoi(arguments[i + 1], value)) {
      std::fprintf(stderr, "usage: %s [--seed N] [--steps N] [--lives N]\n", program);
      return std::nullopt;
    }
  }
  return read;
}

// `simulate` (seed, steps) gives a life's outcome, which `add` sums up. False at the first violation, which is told
// with its life.
template <typename Simulate, typename Add>
bool RunLives(const Lives& wanted, Simulate simulate, Add add) {
  for (uint64_t seed = wanted.seed; seed < wanted.seed + wanted.lives; ++seed) {
    const auto one = simulate(seed, wanted.steps);
    if (!one.violation.empty()) {
      std::printf("seed %" PRIu64 ", after %" PRIu64 " steps: %s\n", seed, one.steps, one.violation.c_str());
      return false;
    }
    add(one);
  }
  return true;
}

}  // namespace batucada::sim
