// A place in a template's source, and errors that begin with one.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "base/strings.h"

namespace batucada::jinja {

struct SourceLocation {
  int line = 1;
  int column = 1;  // in characters
};

inline std::string Describe(SourceLocation where) { return Concat("line ", where.line, ", column ", where.column); }

// The template is wrong: INVALID_ARGUMENT.
inline absl::Status SyntaxError(SourceLocation where, std::string_view what) {
  return absl::InvalidArgumentError(Concat(Describe(where), ": ", what));
}

// The template is right, but asks for what this interpreter does not do: UNIMPLEMENTED.
inline absl::Status UnsupportedError(SourceLocation where, std::string_view what) {
  return absl::UnimplementedError(Concat(Describe(where), ": ", what));
}

}  // namespace batucada::jinja
