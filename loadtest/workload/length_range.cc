#include "loadtest/workload/length_range.h"

#include <fmt/format.h>

#include "absl/strings/numbers.h"

namespace batucada::loadtest {

constexpr int64_t kMaxLength = 100'000'000;

absl::StatusOr<LengthRange> ParseLengthRange(std::string_view flag, std::string_view text) {
  const size_t colon = text.find(':');
  const std::string low(text.substr(0, colon));
  const std::string high(colon == text.npos ? text : text.substr(colon + 1));
  LengthRange range;
  if (!absl::SimpleAtoi(low, &range.low) || !absl::SimpleAtoi(high, &range.high) || range.low < 1 ||
      range.high < range.low || range.high > kMaxLength) {
    return absl::InvalidArgumentError(
        fmt::format("{} is '{}': give tokens, from 1 to {}, or a range such as 64:512", flag, text, kMaxLength));
  }
  return range;
}

}  // namespace batucada::loadtest
