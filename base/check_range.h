// Numbers from outside against the bounds that they must keep, refused in one sentence wherever they come from.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"

namespace batucada {

enum class Lower : uint8_t { kClosed, kOpen };  // whether the lower bound itself is allowed

// INVALID_ARGUMENT names what it is ("max_tokens", "--max-waiting"), its value and the bounds. NaN fails.
absl::Status CheckRange(std::string_view name, int64_t value, int64_t low, int64_t high);
absl::Status CheckRange(std::string_view name, double value, double low, Lower lower, double high);

}  // namespace batucada
