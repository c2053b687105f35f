// JSON Schema (draft 2020-12) to an expression that allows valid values only.
//
// Members of objects come in the order in which the schema names them, then others where additionalProperties says that
// there may be such: where it says nothing, none come. An answer is valid in any case; what an answer cannot be held to
// is refused, with its place, unless less is enough (Hold). oneOf is held to where its alternatives exclude each other.
#pragma once

#include <cstdint>

#include <boost/json/value.hpp>

#include "absl/status/statusor.h"
#include "text/grammar/json_parts.h"
#include "text/grammar/work_budget.h"

namespace batucada::grammar {

// What becomes of what an answer cannot be held to.
enum class Hold : uint8_t {
  kAll,         // it is refused
  kBestEffort,  // the values of which it is said are held to less: to the plainest of keywords, else to their types
};

// INVALID_ARGUMENT: "$.properties.a.pattern …".
absl::StatusOr<ExprId> ReadJsonSchema(const boost::json::value& schema, Hold hold, Expressions& expressions,
                                      JsonParts& json, WorkBudget& budget);

}  // namespace batucada::grammar
