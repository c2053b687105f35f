// Values as texts: Python's str() and repr(), JSON; and JSON as values.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <boost/json.hpp>

#include "absl/status/statusor.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace batucada::jinja {

// str() and repr() of Python: what {{ value }} prints.

// INVALID_ARGUMENT past the limits, and for what Python shows with its address: functions, generators, namespaces.
[[nodiscard]] absl::Status AppendStr(const Value& value, TextBuilder* out);
[[nodiscard]] absl::Status AppendRepr(const Value& value, TextBuilder* out);

[[nodiscard]] absl::StatusOr<std::string> Str(Runtime& runtime, const Value& value);

// 'text', quoted and escaped as Python does; cut after 100 characters with an ellipsis. For error messages.
std::string ShortRepr(std::string_view text);

// json.dumps, which the filter tojson is for chat templates.

struct JsonOptions {
  bool ascii_only = false;            // other characters as \u escapes
  std::optional<std::string> indent;  // what one level is indented by; without one, all stays on one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sort_keys = false;
};

// INVALID_ARGUMENT for what JSON cannot hold: undefined values, functions, namespaces, generators.
[[nodiscard]] absl::StatusOr<Value> DumpJson(Runtime& runtime, const Value& value, const JsonOptions& options);

// A template's values out of JSON.

// INVALID_ARGUMENT for integers beyond 64 bits, text that is not UTF-8, and what nests too deep.
[[nodiscard]] absl::StatusOr<Value> FromJson(Runtime& runtime, const boost::json::value& json);

}  // namespace batucada::jinja
