#include "server/generate/check_range.h"

#include <fmt/format.h>

#include "server/common/error.h"

namespace batucada {

namespace {

absl::Status Named(std::string_view name, const absl::Status& status) {
  return status.ok() ? status : InvalidParameter(name, std::string(status.message()));
}

}  // namespace

absl::Status CheckParameter(std::string_view name, int64_t value, int64_t low, int64_t high) {
  return Named(name, CheckRange(name, value, low, high));
}

absl::Status CheckParameter(std::string_view name, double value, double low, Lower lower, double high) {
  return Named(name, CheckRange(name, value, low, lower, high));
}

absl::Status CheckSampling(const SamplingField& field, const SamplingOverrides& asked) {
  if (const auto* integer = std::get_if<IntegerMembers>(&field.members)) {
    const std::optional<int64_t>& value = asked.*integer->asked;
    if (!value) return absl::OkStatus();
    return CheckParameter(field.name, *value, static_cast<int64_t>(field.least), static_cast<int64_t>(field.most));
  }
  const std::optional<double>& value = asked.*std::get<NumberMembers>(field.members).asked;
  if (!value) return absl::OkStatus();
  return CheckParameter(field.name, *value, field.least,
                        field.lower == LowerBound::kExcluded ? Lower::kOpen : Lower::kClosed, field.most);
}

absl::Status CheckCount(std::string_view name, size_t count, int64_t most, std::string_view of_what) {
  if (static_cast<int64_t>(count) <= most) return absl::OkStatus();
  return InvalidParameter(name, fmt::format("{} has {} {}: at most {}", name, count, of_what, most));
}

}  // namespace batucada
