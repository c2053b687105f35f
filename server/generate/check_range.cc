#include "server/generate/check_range.h"

#include <fmt/format.h>

#include "server/common/error.h"

namespace batucada {

absl::Status CheckRange(std::string_view name, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return InvalidParameter(name, fmt::format("{} is {}: it must be {} to {}", name, value, low, high));
}

absl::Status CheckRange(std::string_view name, double value, double low, Lower lower, double high) {
  const bool above = lower == Lower::kClosed ? value >= low : value > low;
  if (above && value <= high) return absl::OkStatus();
  return InvalidParameter(name, fmt::format("{} is {}: it must be {} {} and at most {}", name, value,
                                            lower == Lower::kClosed ? "at least" : "more than", low, high));
}

absl::Status CheckSampling(const SamplingField& field, const SamplingOverrides& asked) {
  if (const auto* integer = std::get_if<IntegerMembers>(&field.members)) {
    const std::optional<int64_t>& value = asked.*integer->asked;
    if (!value) return absl::OkStatus();
    return CheckRange(field.name, *value, static_cast<int64_t>(field.least), static_cast<int64_t>(field.most));
  }
  const std::optional<double>& value = asked.*std::get<NumberMembers>(field.members).asked;
  if (!value) return absl::OkStatus();
  return CheckRange(field.name, *value, field.least,
                    field.lower == LowerBound::kExcluded ? Lower::kOpen : Lower::kClosed, field.most);
}

absl::Status CheckCount(std::string_view name, size_t count, int64_t most, std::string_view of_what) {
  if (static_cast<int64_t>(count) <= most) return absl::OkStatus();
  return InvalidParameter(name, fmt::format("{} has {} {}: at most {}", name, count, of_what, most));
}

}  // namespace batucada
