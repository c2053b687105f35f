// The tests: {% if value is name(arguments) %}.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "text/jinja/callable.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace batucada::jinja {

struct Test {
  std::string_view name;
  absl::StatusOr<bool> (*apply)(Runtime& runtime, const Value& value, const Arguments& arguments);
};

// Null if there is no such test: all that jinja2 has are there.
const Test* FindTest(std::string_view name);

// The error of asking for one that there is not.
absl::Status NoTest(std::string_view name);

}  // namespace batucada::jinja
