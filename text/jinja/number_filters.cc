// Filters that make numbers.
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string>

#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/access.h"
#include "text/jinja/arithmetic.h"
#include "text/jinja/characters.h"
#include "text/jinja/filters.h"
#include "text/jinja/format_spec.h"
#include "text/jinja/number_text.h"

namespace batucada::jinja {
namespace {

using Result = absl::StatusOr<Value>;

Result AbsFilter(Runtime&, const Value& input, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("abs", arguments, {}, 0).status());
  if (input.Is(Kind::kUndefined)) return UndefinedError(input);
  if (input.Is(Kind::kFloat)) return Value::Float(std::abs(input.real()));
  if (input.is_integral()) return input.integer() < 0 ? Negate(input) : Value::Int(input.integer());
  return absl::InvalidArgumentError(Concat("bad operand type for abs: '", input.TypeName(), "'"));
}

// Towards zero. Nothing for nan; an error for what an int64 cannot hold.
absl::StatusOr<std::optional<Value>> Truncated(double real) {
  if (std::isnan(real)) return std::optional<Value>();
  if (std::abs(real) >= 9.2e18) return absl::InvalidArgumentError("a number too large for an integer");
  return Value::Int(static_cast<int64_t>(real));
}

Result IntFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("int", arguments, {"default", "base"}, 0));
  BATUCADA_ASSIGN_OR_RETURN(const int64_t base, IntArgument(bound[1], "base", 10));
  const Value fallback = bound[0] == nullptr ? Value::Int(0) : *bound[0];
  if (input.Is(Kind::kUndefined)) return UndefinedError(input);
  if (input.is_integral()) return Value::Int(input.integer());
  if (input.Is(Kind::kFloat)) {
    BATUCADA_ASSIGN_OR_RETURN(const std::optional<Value> integer, Truncated(input.real()));
    return integer.value_or(fallback);
  }
  if (!input.Is(Kind::kString)) return fallback;
  BATUCADA_RETURN_IF_ERROR(runtime.StepOver(input.text()));
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int64_t> integer, ParseInteger(input.text(), base));
  if (integer.has_value()) return Value::Int(*integer);
  const std::optional<double> real = ParseFloat(input.text());
  if (!real.has_value() || std::isinf(*real)) return fallback;
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<Value> truncated, Truncated(*real));
  return truncated.value_or(fallback);
}

Result FloatFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("float", arguments, {"default"}, 0));
  if (input.Is(Kind::kUndefined)) return UndefinedError(input);
  if (input.is_number()) return Value::Float(input.real());
  if (input.Is(Kind::kString)) {
    BATUCADA_RETURN_IF_ERROR(runtime.StepOver(input.text()));
    if (const std::optional<double> real = ParseFloat(input.text())) return Value::Float(*real);
  }
  return bound[0] == nullptr ? Value::Float(0) : *bound[0];
}

// To the nearest, halves to even, as the decimal expansion of the double has them.
double RoundDecimal(double value, int64_t precision) {
  if (!std::isfinite(value) || precision > 300) return value;
  if (precision < 0) {
    const double scale = std::pow(10.0, static_cast<double>(-precision));
    return std::nearbyint(value / scale) * scale;
  }
  const absl::StatusOr<std::string> text = FormatFloat({.precision = precision, .type = 'f'}, value);
  return text.ok() ? std::strtod(text->c_str(), nullptr) : value;
}

Result RoundFilter(Runtime&, const Value& input, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("round", arguments, {"precision", "method"}, 0));
  BATUCADA_ASSIGN_OR_RETURN(const int64_t precision, IntArgument(bound[0], "precision", 0));
  BATUCADA_ASSIGN_OR_RETURN(const std::string_view method, TextArgument(bound[1], "method", "common"));
  if (method != "common" && method != "ceil" && method != "floor") {
    return absl::InvalidArgumentError("round: 'method' must be common, ceil or floor");
  }
  if (input.Is(Kind::kUndefined)) return UndefinedError(input);
  if (!input.is_number()) {
    return absl::InvalidArgumentError(Concat("round is for numbers, not for a ", input.TypeName()));
  }
  if (precision < -300 || precision > 300) return absl::InvalidArgumentError("round: 'precision' beyond 300");
  if (method == "common") {
    if (input.is_integral() && precision >= 0) return Value::Int(input.integer());
    const double rounded = RoundDecimal(input.real(), precision);
    return input.is_integral() ? Value::Int(static_cast<int64_t>(rounded)) : Value::Float(rounded);
  }
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = input.real() * scale;
  if (!std::isfinite(scaled)) return absl::InvalidArgumentError("round: not a finite number");
  return Value::Float((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Result LengthFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("length", arguments, {}, 0).status());
  BATUCADA_ASSIGN_OR_RETURN(const int64_t length, LengthOf(runtime, input));
  return Value::Int(length);
}

constexpr Filter kFilters[] = {
    {"abs", AbsFilter}, {"count", LengthFilter},  {"float", FloatFilter},
    {"int", IntFilter}, {"length", LengthFilter}, {"round", RoundFilter},
};

}  // namespace

std::span<const Filter> NumberFilters() { return kFilters; }

}  // namespace batucada::jinja
