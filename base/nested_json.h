// JSON within other bounds than ParseJson's.
#pragma once

#include <cstddef>
#include <string_view>

#include <boost/json/value.hpp>

#include "absl/status/statusor.h"

namespace batucada {

// ParseJson (base/json.h) of a document that nests at most `levels` levels: one that this program has put others' into.
absl::StatusOr<boost::json::value> ParseNestedJson(std::string_view text, std::string_view what, size_t levels);

// What several documents of one client may still have together of what ParseJson bounds in each: members beyond the
// first ones of their object.
struct ManyMembers {
  size_t left = 4096;
};

// ParseJson of one of them; takes what it has off `many`.
absl::StatusOr<boost::json::value> ParseOneOfMany(std::string_view text, std::string_view what, ManyMembers* many);

// ParseJson of a file that the operator has chosen, which may have an object with a member for each tensor or token.
absl::StatusOr<boost::json::value> ParseJsonFile(std::string_view text, std::string_view what);

// Text that was within bounds when it came, or that a model wrote: of equal keys the last counts.
absl::StatusOr<boost::json::value> ParseKeptJson(std::string_view text, std::string_view what);

}  // namespace batucada
