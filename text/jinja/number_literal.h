// Numbers as templates write them: 12, 1_000, 0x1f, 0b1, 0o7, 1.5, 2e-3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "text/jinja/source_location.h"

namespace batucada::jinja {

struct NumberLiteral {
  size_t end = 0;  // offset behind it
  bool is_float = false;
  int64_t integer = 0;
  double real = 0;
};

// The longest number that begins at `begin`. REQUIRES: a digit there. UNIMPLEMENTED if it does not fit; `where` is its
// place.
[[nodiscard]] absl::StatusOr<NumberLiteral> ReadNumber(std::string_view source, size_t begin, SourceLocation where);

}  // namespace batucada::jinja
