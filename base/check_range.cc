#include "base/check_range.h"

#include "base/decimal.h"
#include "base/strings.h"

namespace batucada {

absl::Status CheckRange(std::string_view name, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat(name, " is ", value, ": it must be ", low, " to ", high));
}

absl::Status CheckRange(std::string_view name, double value, double low, Lower lower, double high) {
  const bool above = lower == Lower::kClosed ? value >= low : value > low;
  if (above && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat(name, " is ", Decimal(value), ": it must be ",
                                           lower == Lower::kClosed ? "at least " : "more than ", low, " and at most ",
                                           high));
}

}  // namespace batucada
