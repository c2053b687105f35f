// Whether a JSON Schema leaves an object: arguments of tools are one.
#pragma once

#include <boost/json/value.hpp>

#include "absl/status/status.h"

namespace batucada::grammar {

// INVALID_ARGUMENT with what leaves none and where, "$.type is string", by type, enum, const, anyOf, oneOf, allOf and
// references within the schema, of which it follows 1,000; what else may leave none is passed over. Takes time in
// proportion to the schema.
// REQUIRES: CheckSchemaShape(schema).ok().
absl::Status CheckLeavesObject(const boost::json::value& schema);

}  // namespace batucada::grammar
