// Parses a whole template.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "text/jinja/ast.h"

namespace batucada::jinja {

// INVALID_ARGUMENT for what jinja2 refuses as well, UNIMPLEMENTED for what it knows and this interpreter does not, each
// with line and column: a template that parses holds nothing that rendering would have to skip.
// REQUIRES: valid UTF-8.
[[nodiscard]] absl::StatusOr<Body> ParseTemplate(std::string_view source);

}  // namespace batucada::jinja
