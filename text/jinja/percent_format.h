// Formatting with the % operator: 'Hello, %s' % name.
#pragma once

#include "absl/status/statusor.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace batucada::jinja {

// `arguments` is a tuple of values, a dict for %(name)s, or one value. INVALID_ARGUMENT where Python raises, and for
// the conversions %a, %* and %c. REQUIRES: a string `format`.
[[nodiscard]] absl::StatusOr<Value> FormatPercent(Runtime& runtime, const Value& format, const Value& arguments);

}  // namespace batucada::jinja
