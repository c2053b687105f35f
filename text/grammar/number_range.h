// Numbers between bounds, as expressions over their digits.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "text/grammar/json_parts.h"
#include "text/grammar/schema_numbers.h"
#include "text/grammar/work_budget.h"

namespace batucada::grammar {

// Whole numbers from `least` to `most`, both in ±(10^18 - 1).
ExprId IntegersBetween(int64_t least, int64_t most, Expressions& e);

struct NumberBound {
  ExactNumber value = 0;
  bool exclusive = false;
};
struct NumberRange {
  std::optional<NumberBound> least, most;
  int64_t low = 0, high = 0;  // the whole numbers within
  bool bounded = false;       // by more than a sign
};

enum class NumberKind : uint8_t { kAny, kWhole, kFraction };  // kFraction: those that are not whole

// Numbers that are multiples of `step` > 0 to every program, whether it divides decimal fractions or their nearest
// doubles: of a fraction that no double holds, such as 0.01, those that come out even in both, and where not both
// bounds are given only whole ones of them. INVALID_ARGUMENT if they cannot be held to.
absl::StatusOr<ExprId> MultiplesWithin(double step, NumberKind kind, const NumberRange& range, Expressions& e,
                                       WorkBudget& budget);

// Whole numbers that `step` divides, 0 < step <= kMostStep: those from `least` up if that is given, which must be at
// most step.
inline constexpr int64_t kMostStep = 512;
ExprId MultiplesOf(int64_t step, std::optional<int64_t> least, Expressions& e);

// Numbers without an exponent, with at most 15 digits in all behind and before the point, so that no reader rounds one
// over its bound or makes it whole. INVALID_ARGUMENT for a bound of more digits. REQUIRES: kAny or kFraction.
absl::StatusOr<ExprId> NumbersBetween(std::optional<NumberBound> least, std::optional<NumberBound> most,
                                      NumberKind kind, JsonParts& json, Expressions& e);

}  // namespace batucada::grammar
