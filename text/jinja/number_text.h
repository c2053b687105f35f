// Numbers out of text, as Python's int() and float() read them: white space around, a sign, underscores between digits.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"

namespace batucada::jinja {

// Nothing if `text` is no integer in this base (2 to 36, or 0 for what its prefix says). INVALID_ARGUMENT for another
// base and for a number of more than 64 bits.
[[nodiscard]] absl::StatusOr<std::optional<int64_t>> ParseInteger(std::string_view text, int64_t base);

// Nothing if `text` is no number.
std::optional<double> ParseFloat(std::string_view text);

}  // namespace batucada::jinja
