// A length in tokens: fixed, or drawn evenly between two bounds.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "loadtest/random.h"

namespace batucada::loadtest {

struct LengthRange {
  int64_t low = 0;
  int64_t high = 0;  // drawn too

  int64_t Draw(Random& random) const { return random.Between(low, high); }
};

// "128" or "64:512". `flag` is for the error. INVALID_ARGUMENT: not that, less than 1, or more than 10^8.
absl::StatusOr<LengthRange> ParseLengthRange(std::string_view flag, std::string_view text);

}  // namespace batucada::loadtest
