// A template's values out of JSON.
#pragma once

#include <boost/json.hpp>

#include "absl/status/statusor.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace batucada::jinja {

// INVALID_ARGUMENT for integers beyond 64 bits, text that is not UTF-8, and what nests too deep.
[[nodiscard]] absl::StatusOr<Value> FromJson(Runtime& runtime, const boost::json::value& json);

}  // namespace batucada::jinja
