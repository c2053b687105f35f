#include "text/jinja/builtins.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/access.h"
#include "text/jinja/formatting.h"
#include "text/jinja/operators.h"
#include "text/jinja/text.h"

namespace batucada::jinja {
namespace {

using FilterMap = absl::flat_hash_map<std::string_view, const Filter*>;

FilterMap MakeFilterMap() {
  FilterMap map;
  for (const std::span<const Filter> part : {TextFilters(), NumberFilters(), SequenceFilters(), SelectionFilters()}) {
    for (const Filter& filter : part) map.emplace(filter.name, &filter);
  }
  return map;
}

}  // namespace

const Filter* FindFilter(std::string_view name) {
  static const auto& kFilters = *new FilterMap(MakeFilterMap());
  const auto found = kFilters.find(name);
  return found == kFilters.end() ? nullptr : found->second;
}

absl::Status NoFilter(std::string_view name) {
  static constexpr std::array<std::string_view, 10> kNames = {"filesizeformat", "groupby",   "pprint",    "random",
                                                              "slice",          "striptags", "urlencode", "urlize",
                                                              "wordwrap",       "xmlattr"};
  if (std::find(kNames.begin(), kNames.end(), name) != kNames.end()) {
    return absl::InvalidArgumentError(Concat("the filter '", name, "' is not supported"));
  }
  return absl::InvalidArgumentError(Concat("there is no filter '", name.substr(0, 100), "'"));
}

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

constexpr Filter kNumberFilters[] = {
    {"abs", AbsFilter}, {"count", LengthFilter},  {"float", FloatFilter},
    {"int", IntFilter}, {"length", LengthFilter}, {"round", RoundFilter},
};

}  // namespace

std::span<const Filter> NumberFilters() { return kNumberFilters; }

namespace {

Arguments Without(const Arguments& arguments, size_t first) {
  return {.positional = {arguments.positional.begin() + static_cast<std::ptrdiff_t>(first), arguments.positional.end()},
          .keyword = arguments.keyword};
}

Result MapAttribute(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("map", arguments, {"attribute", "default"}, 1));
  BATUCADA_ASSIGN_OR_RETURN(const AttributePath path, AttributePath::Parse(runtime, *bound[0]));
  std::optional<Value> fallback;
  if (bound[1] != nullptr && !bound[1]->Is(Kind::kNone)) fallback = *bound[1];
  BATUCADA_ASSIGN_OR_RETURN(const auto sequence, Iterate(runtime, input));
  std::vector<Value> mapped;
  for (const Value& item : sequence->items) {
    BATUCADA_RETURN_IF_ERROR(runtime.Step());
    BATUCADA_ASSIGN_OR_RETURN(Value value, path.Get(runtime, item, fallback));
    mapped.push_back(std::move(value));
  }
  return runtime.Sequence(SequenceKind::kGenerator, std::move(mapped));
}

Result MapFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  if (!input.Truth()) return runtime.Sequence(SequenceKind::kGenerator, {});
  if (arguments.positional.empty() && arguments.FindKeyword("attribute") != nullptr) {
    return MapAttribute(runtime, input, arguments);
  }
  if (arguments.positional.empty()) return absl::InvalidArgumentError("map requires a filter argument");
  BATUCADA_ASSIGN_OR_RETURN(const std::string_view name, TextArgument(&arguments.positional[0], "filter", ""));
  const Filter* filter = FindFilter(name);
  if (filter == nullptr) return NoFilter(name);
  const Arguments rest = Without(arguments, 1);
  BATUCADA_ASSIGN_OR_RETURN(const auto sequence, Iterate(runtime, input));
  std::vector<Value> mapped;
  for (const Value& item : sequence->items) {
    BATUCADA_RETURN_IF_ERROR(runtime.Step());
    BATUCADA_ASSIGN_OR_RETURN(Value value, filter->apply(runtime, item, rest));
    mapped.push_back(std::move(value));
  }
  return runtime.Sequence(SequenceKind::kGenerator, std::move(mapped));
}

enum class Keep : uint8_t { kPassing, kFailing };
enum class By : uint8_t { kItem, kAttribute };

// The items, or those of which an attribute, pass a test; without one, those that are true.
template <Keep kKeep, By kBy>
Result Select(Runtime& runtime, const Value& input, const Arguments& arguments) {
  if (!input.Truth()) return runtime.Sequence(SequenceKind::kGenerator, {});
  constexpr size_t kName = kBy == By::kAttribute ? 1 : 0;  // which argument names the test
  AttributePath path;
  if (kBy == By::kAttribute) {
    if (arguments.positional.empty()) return absl::InvalidArgumentError("Missing parameter for attribute name");
    BATUCADA_ASSIGN_OR_RETURN(path, AttributePath::Parse(runtime, arguments.positional[0]));
  }
  const Test* test = nullptr;
  Arguments rest;
  if (arguments.positional.size() > kName) {
    BATUCADA_ASSIGN_OR_RETURN(const std::string_view name, TextArgument(&arguments.positional[kName], "test", ""));
    test = FindTest(name);
    if (test == nullptr) return NoTest(name);
    rest = Without(arguments, kName + 1);
  }
  BATUCADA_ASSIGN_OR_RETURN(const auto sequence, Iterate(runtime, input));
  std::vector<Value> selected;
  for (const Value& item : sequence->items) {
    BATUCADA_RETURN_IF_ERROR(runtime.Step());
    BATUCADA_ASSIGN_OR_RETURN(const Value tested, path.Get(runtime, item, std::nullopt));
    bool passes = tested.Truth();
    if (test != nullptr) {
      BATUCADA_ASSIGN_OR_RETURN(passes, test->apply(runtime, tested, rest));
    }
    if (passes == (kKeep == Keep::kPassing)) selected.push_back(item);
  }
  return runtime.Sequence(SequenceKind::kGenerator, std::move(selected));
}

Result DefaultFilter(Runtime&, const Value& input, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("default", arguments, {"default_value", "boolean"}, 0));
  const bool replace = input.Is(Kind::kUndefined) || (TruthArgument(bound[1], false) && !input.Truth());
  if (!replace) return input;
  return bound[0] == nullptr ? Value::String("") : *bound[0];
}

// Attributes only, where a dot falls back to the entries of a dict.
Result AttrFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("attr", arguments, {"name"}, 1));
  BATUCADA_ASSIGN_OR_RETURN(const std::string_view name, TextArgument(bound[0], "name", ""));
  if (input.Is(Kind::kDict) && !HasMethod(input, name)) {
    return Value::Undefined(Concat("'dict object' has no attribute '", name.substr(0, 100), "'"));
  }
  return GetAttribute(runtime, input, name);
}

constexpr Filter kSelectionFilters[] = {
    {"attr", AttrFilter},
    {"d", DefaultFilter},
    {"default", DefaultFilter},
    {"map", MapFilter},
    {"reject", Select<Keep::kFailing, By::kItem>},
    {"rejectattr", Select<Keep::kFailing, By::kAttribute>},
    {"select", Select<Keep::kPassing, By::kItem>},
    {"selectattr", Select<Keep::kPassing, By::kAttribute>},
};

}  // namespace

std::span<const Filter> SelectionFilters() { return kSelectionFilters; }

}  // namespace batucada::jinja
