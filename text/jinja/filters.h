// The filters: {{ value | name(arguments) }}.
#pragma once

#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "text/jinja/callable.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace batucada::jinja {

struct Filter {
  std::string_view name;
  absl::StatusOr<Value> (*apply)(Runtime& runtime, const Value& input, const Arguments& arguments);
};

// Null if there is no such filter.
const Filter* FindFilter(std::string_view name);

// The error of asking for one that there is not; it tells those that jinja2 has.
absl::Status NoFilter(std::string_view name);

// The parts of the registry, by what they work on.
std::span<const Filter> TextFilters();
std::span<const Filter> NumberFilters();
std::span<const Filter> SequenceFilters();
std::span<const Filter> SelectionFilters();

}  // namespace batucada::jinja
