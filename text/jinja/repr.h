// str() and repr() of Python: what {{ value }} prints.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace batucada::jinja {

// INVALID_ARGUMENT past the limits, and for what Python shows with its address: functions, generators, namespaces.
[[nodiscard]] absl::Status AppendStr(const Value& value, TextBuilder* out);
[[nodiscard]] absl::Status AppendRepr(const Value& value, TextBuilder* out);

[[nodiscard]] absl::StatusOr<std::string> Str(Runtime& runtime, const Value& value);

// The shortest decimal that reads back as `value`, in Python's spelling: 1.0, 1e-05, inf.
std::string FloatRepr(double value);

// 'text', quoted and escaped as Python does; cut after 100 characters with an ellipsis. For error messages.
std::string ShortRepr(std::string_view text);

}  // namespace batucada::jinja
