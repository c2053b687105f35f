// str.format: '{}, {name:>5}'.format(…).
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "text/jinja/callable.h"
#include "text/jinja/runtime.h"

namespace batucada::jinja {

// Fields by place and by name, with .attribute and [element], !s and !r, and a format after a colon. INVALID_ARGUMENT
// where Python raises, and for fields inside formats.
[[nodiscard]] absl::StatusOr<Value> FormatBraces(Runtime& runtime, std::string_view format, const Arguments& arguments);

}  // namespace batucada::jinja
