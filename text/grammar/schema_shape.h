// Whether a JSON Schema is one, of which nothing is to be made: keywords are what they must be, whether or not a text
// could be held to them.
#pragma once

#include <boost/json/value.hpp>

#include "absl/status/status.h"

namespace batucada::grammar {

// INVALID_ARGUMENT says what is wrong and where, "$.properties.a.type is no type of JSON Schema", in the words of those
// who read it to hold a text to it (schema_reader.h). What is not known is passed over, and so is null, as clients
// write it for what is absent, and what older drafts have another form of.
absl::Status CheckSchemaShape(const boost::json::value& schema);

}  // namespace batucada::grammar
