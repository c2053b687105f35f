// Checks of numbers that clients send.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "base/check_range.h"
#include "engine/core/sampling_fields.h"

namespace batucada {

// CheckRange of a request's parameter, which clients are told by its name.
absl::Status CheckParameter(std::string_view name, int64_t value, int64_t low, int64_t high);
absl::Status CheckParameter(std::string_view name, double value, double low, Lower lower, double high);
// What was asked for one of the sampling fields, if anything.
absl::Status CheckSampling(const SamplingField& field, const SamplingOverrides& asked);
// The length of a list.
absl::Status CheckCount(std::string_view name, size_t count, int64_t most, std::string_view of_what);

}  // namespace batucada
