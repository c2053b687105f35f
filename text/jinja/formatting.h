// Python's two ways of laying out values in a text: '%5.1f' % value and '{:>5}'.format(value).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace batucada::jinja {

// How a value is laid out by '%5.1f' and '{:>5}': the part that both ways of formatting share.

struct FormatSpec {
  std::string fill = " ";  // one character
  char align = '\0';       // < > ^ or = (fill behind the sign); 0: left for text, right for numbers
  char sign = '-';         // - for negative numbers only, + for all, or a space
  bool alternate = false;  // #: 0x before hexadecimal
  char grouping = '\0';    // , or _ between thousands
  int64_t width = 0;       // in characters
  int64_t precision = -1;  // -1: none
  char type = '\0';        // d x X o b c e E f F g G % s; 0: the value's own
};

// Wider or longer than this is refused: no chat needs it.
inline constexpr int64_t kMaxFormatWidth = 10'000;

// INVALID_ARGUMENT if the type or an option does not go with the value, UNIMPLEMENTED ones included.
[[nodiscard]] absl::StatusOr<std::string> FormatText(const FormatSpec& spec, std::string_view text);
[[nodiscard]] absl::StatusOr<std::string> FormatInteger(const FormatSpec& spec, int64_t value);
[[nodiscard]] absl::StatusOr<std::string> FormatFloat(const FormatSpec& spec, double value);

// str.format: '{}, {name:>5}'.format(…).

// Fields by place and by name, with .attribute and [element], !s and !r, and a format after a colon. INVALID_ARGUMENT
// where Python raises, and for fields inside formats.
[[nodiscard]] absl::StatusOr<Value> FormatBraces(Runtime& runtime, std::string_view format, const Arguments& arguments);

// Formatting with the % operator: 'Hello, %s' % name.

// `arguments` is a tuple of values, a dict for %(name)s, or one value. INVALID_ARGUMENT where Python raises, and for
// the conversions %a, %* and %c. REQUIRES: a string `format`.
[[nodiscard]] absl::StatusOr<Value> FormatPercent(Runtime& runtime, const Value& format, const Value& arguments);

}  // namespace batucada::jinja
