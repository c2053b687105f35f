// What $ref and $dynamicRef of a schema refer to by way of $id, $anchor and $dynamicAnchor (JSON Schema 2020-12, §8.2),
// said as JSON Pointers from the schema's root.
#pragma once

#include <boost/json.hpp>

#include "absl/status/statusor.h"
#include "text/grammar/work_budget.h"

namespace batucada::grammar {

// A copy of `root` in which every reference that can be followed is a $ref to "#" or "#/…", and nothing has an $id, an
// $anchor or a $dynamicAnchor. What cannot be followed stays as it is: another document, or a $dynamicRef whose target
// depends on the way by which a value's place is reached. `root` itself, where it has none of all these.
// INVALID_ARGUMENT if the budget does not last.
absl::StatusOr<boost::json::value> WithPlainReferences(const boost::json::value& root, WorkBudget& budget);

}  // namespace batucada::grammar
