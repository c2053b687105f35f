// The escapes of a string literal.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "text/jinja/source_location.h"

namespace batucada::jinja {

// The value of what stands between the quotes, by Python's rules: \n, \x41, \u00e9, \101 and so on; an unknown escape
// keeps its backslash. `where` is the literal's place, for errors.
[[nodiscard]] absl::StatusOr<std::string> Unescape(std::string_view literal, SourceLocation where);

}  // namespace batucada::jinja
