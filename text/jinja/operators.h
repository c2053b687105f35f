// What + and < and their like do: Python's operators, for values.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace batucada::jinja {

// Python's arithmetic operators. INVALID_ARGUMENT where Python raises, for undefined operands, and for integers that do
// not fit 64 bits.

enum class BinaryOperator : uint8_t { kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kModulo, kPower };

[[nodiscard]] absl::StatusOr<Value> Apply(Runtime& runtime, BinaryOperator op, const Value& left, const Value& right);
[[nodiscard]] absl::StatusOr<Value> Negate(const Value& operand);
[[nodiscard]] absl::StatusOr<Value> UnaryPlus(const Value& operand);

// The text of `value` with & < > ' " as HTML writes them, as markupsafe does it. Markup stays as it is.
[[nodiscard]] absl::StatusOr<Value> Escape(Runtime& runtime, const Value& value);

// Python's comparisons. INVALID_ARGUMENT where Python raises, and for orders and membership of undefined values.

enum class ComparisonOperator : uint8_t { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kIn, kNotIn };

[[nodiscard]] absl::StatusOr<bool> Compare(Runtime& runtime, ComparisonOperator op, const Value& left,
                                           const Value& right);
[[nodiscard]] absl::StatusOr<bool> Equals(Runtime& runtime, const Value& left, const Value& right);

// `needle in haystack`.
[[nodiscard]] absl::StatusOr<bool> Contains(Runtime& runtime, const Value& haystack, const Value& needle);

}  // namespace batucada::jinja
