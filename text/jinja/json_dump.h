// json.dumps, which the filter tojson is for chat templates.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace batucada::jinja {

struct JsonOptions {
  bool ascii_only = false;            // other characters as \u escapes
  std::optional<std::string> indent;  // what one level is indented by; without one, all stays on one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sort_keys = false;
};

// INVALID_ARGUMENT for what JSON cannot hold: undefined values, functions, namespaces, generators.
[[nodiscard]] absl::StatusOr<Value> DumpJson(Runtime& runtime, const Value& value, const JsonOptions& options);

}  // namespace batucada::jinja
