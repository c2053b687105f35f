// JSON Schemas with what they refer to and what must hold beside them put into one object: the first half of reading
// one.
//
// What this server cannot hold an answer to is refused here, with its place in the schema, and never passed over.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <boost/json.hpp>

#include "absl/status/statusor.h"
#include "text/grammar/work_budget.h"

namespace batucada::grammar {

// Members of a flat schema that no schema has: the alternatives of every anyOf and oneOf that must hold, and that
// nothing does.
inline constexpr const char* kAnyOfs = "#anyOf";  // [[schema, …], …]
inline constexpr const char* kOneOfs = "#oneOf";
inline constexpr const char* kNothing = "#never";

// INVALID_ARGUMENT with the path of what is not held to: "$.properties.a.not …".
class SchemaFlattener {
 public:
  // Both outlive this.
  SchemaFlattener(const boost::json::value& root, WorkBudget& budget) : root_(root), budget_(budget) {}

  // Without $ref, allOf, const and annotations. `path` is where it stands.
  absl::StatusOr<boost::json::object> Flatten(const boost::json::value& schema, const std::string& path, int depth = 0);
  // What satisfies both. REQUIRES: both are flat.
  absl::StatusOr<boost::json::object> Merge(boost::json::object a, const boost::json::object& b,
                                            const std::string& path);

 private:
  absl::StatusOr<const boost::json::value*> Resolve(const boost::json::value& reference, const std::string& path) const;

  const boost::json::value& root_;
  WorkBudget& budget_;
};

// Values in `value`, itself and names of members counted: what a copy of it costs.
int64_t SizeOf(const boost::json::value& value);
// "$.a[0]", or with quotes where the name needs them.
std::string Below(const std::string& path, std::string_view member);
absl::Status Refused(const std::string& path, std::string_view what);

}  // namespace batucada::grammar
