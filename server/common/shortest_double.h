// Numbers of single precision as their writers meant them: 0.8, not 0.800000011920929.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>

namespace batucada {

// The double with the fewest decimals that becomes `number` again in single precision.
inline double ShortestDouble(float number) {
  // Nearly all have few decimals: where single precision is finer than four, at most one number of them is this one.
  constexpr float kFine = 8;
  constexpr double kUnits = 1e4;
  if (number >= 0 && number < kFine) {
    const double few = static_cast<double>(static_cast<int32_t>(number * kUnits + 0.5)) / kUnits;
    if (static_cast<float>(few) == number) return few;
  }
  std::array<char, 32> digits;
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), number, std::chars_format::scientific).ptr;
  double shortest = number;
  std::from_chars(digits.data(), end, shortest);
  return shortest;
}

}  // namespace batucada
