// JSON of other depths than ParseJson's: what this program has put others' documents into.
#pragma once

#include <cstddef>
#include <string_view>

#include <boost/json/value.hpp>

#include "absl/status/statusor.h"

namespace batucada {

// ParseJson (base/json.h) of a document that nests at most `levels` levels.
absl::StatusOr<boost::json::value> ParseNestedJson(std::string_view text, std::string_view what, size_t levels);

}  // namespace batucada
