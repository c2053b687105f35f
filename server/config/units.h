// Sizes and durations as people write them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace batucada {

// "4GiB", "512 MiB", "1.5GB", "64k" or plain bytes. K, M, G, T are powers of 1,024 with or without "iB"; kB, MB, GB, TB
// are powers of 1,000. INVALID_ARGUMENT says what was found.
absl::StatusOr<int64_t> ParseBytes(std::string_view text);
std::string FormatBytes(int64_t bytes);  // the largest binary unit that divides it: "4GiB", "1000" for 1,000

// Ten years: a deadline that far away is still a time that every clock can hold.
inline constexpr absl::Duration kLongestDuration = absl::Hours(24 * 365 * 10);
// "30s", "500ms", "1m30s", "2h", or "0"; at most kLongestDuration. A number without a unit is refused: it does not say
// what it means.
absl::StatusOr<absl::Duration> ParseDuration(std::string_view text);
std::string FormatDuration(absl::Duration duration);

}  // namespace batucada
