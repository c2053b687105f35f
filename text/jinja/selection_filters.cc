// Filters that apply an attribute, another filter or a test to each item, and `default`.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/access.h"
#include "text/jinja/attribute_path.h"
#include "text/jinja/filters.h"
#include "text/jinja/methods.h"
#include "text/jinja/tests.h"

namespace batucada::jinja {
namespace {

using Result = absl::StatusOr<Value>;

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
template <Keep keep, By by>
Result Select(Runtime& runtime, const Value& input, const Arguments& arguments) {
  if (!input.Truth()) return runtime.Sequence(SequenceKind::kGenerator, {});
  constexpr size_t kName = by == By::kAttribute ? 1 : 0;  // which argument names the test
  AttributePath path;
  if (by == By::kAttribute) {
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
    if (passes == (keep == Keep::kPassing)) selected.push_back(item);
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

constexpr Filter kFilters[] = {
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

std::span<const Filter> SelectionFilters() { return kFilters; }

}  // namespace batucada::jinja
