// Python's comparisons. INVALID_ARGUMENT where Python raises, and for orders and membership of undefined values.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace batucada::jinja {

enum class ComparisonOperator : uint8_t { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kIn, kNotIn };

[[nodiscard]] absl::StatusOr<bool> Compare(Runtime& runtime, ComparisonOperator op, const Value& left,
                                           const Value& right);
[[nodiscard]] absl::StatusOr<bool> Equals(Runtime& runtime, const Value& left, const Value& right);

// `needle in haystack`.
[[nodiscard]] absl::StatusOr<bool> Contains(Runtime& runtime, const Value& haystack, const Value& needle);

}  // namespace batucada::jinja
